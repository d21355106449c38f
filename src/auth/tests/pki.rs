//! Authorities and certificates.
use std::time::{Duration, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::CertificateDer;

use super::BEGIN;

/// Who issues certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
    /// What a leaf brings along: nothing, or the intermediate authority that this is.
    above: Vec<CertificateDer<'static>>,
}

/// A certificate with what it brings along, and its key.
pub(super) struct Credential {
    pub(super) chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

/// What is unusual about a certificate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Flaw {
    None,
    Expired,
    /// Ends ten seconds after the beginning of a test.
    EndsSoon,
    ServerOnly,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        Self::with_key(name, key())
    }

    /// One with a key that another may have too.
    pub(super) fn with_key(name: &str, key: KeyPair) -> Self {
        let params = authority(name);
        let cert = params.self_signed(&key).unwrap();
        Self { pem: cert.pem(), issuer: Issuer::new(params, key), above: Vec::new() }
    }

    pub(super) fn intermediate(&self, name: &str) -> Self {
        let (params, key) = (authority(name), key());
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Self { pem: cert.pem(), issuer: Issuer::new(params, key), above: vec![cert.der().clone()] }
    }

    pub(super) fn issue(&self, name: &str, groups: &[&str]) -> Credential {
        self.issue_flawed(name, groups, Flaw::None)
    }

    pub(super) fn issue_flawed(&self, name: &str, groups: &[&str], flaw: Flaw) -> Credential {
        let key = key();
        let cert = leaf(name, groups, flaw).signed_by(&key, &self.issuer).unwrap();
        let chain = [cert.der().clone()].into_iter().chain(self.above.iter().cloned()).collect();
        Credential { chain, key }
    }
}

impl Credential {
    pub(super) fn self_signed(name: &str, groups: &[&str]) -> Self {
        let key = key();
        let cert = leaf(name, groups, Flaw::None).self_signed(&key).unwrap();
        Self { chain: vec![cert.der().clone()], key }
    }

    /// Key and chain, as a client loads them.
    pub(super) fn pem(&self) -> String {
        let certificates = self.chain.iter().map(|der| {
            let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
            let lines: Vec<&str> =
                text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
            format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
        });
        self.key.serialize_pem() + &certificates.collect::<String>()
    }
}

pub(super) fn key() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn leaf(name: &str, groups: &[&str], flaw: Flaw) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    for group in groups {
        params.distinguished_name.push(DnType::OrganizationName, *group);
    }
    params.subject_alt_names = vec![SanType::DnsName("client.invalid".try_into().unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let at = |seconds| (UNIX_EPOCH + Duration::from_secs(seconds)).into();
    match flaw {
        Flaw::None => {}
        Flaw::Expired => params.not_after = at(BEGIN - 1),
        Flaw::EndsSoon => params.not_after = at(BEGIN + 10),
        Flaw::ServerOnly => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth],
    }
    params
}
