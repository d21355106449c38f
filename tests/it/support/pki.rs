//! Certificate authorities and what they issue.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

/// How long before now everything here became valid.
const SINCE: Duration = Duration::from_hours(48);

/// A certificate authority with a key of its own.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// The certificates between it and its root, its own first; nothing of a root.
    between: String,
}

/// A certificate, those between it and its root, and its key; in PEM.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) chain: String,
    pub(crate) key: String,
}

/// What a certificate is to say. A client certificate unless told otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    name: String,
    groups: Vec<String>,
    hosts: Vec<String>,
    usages: Vec<ExtendedKeyUsagePurpose>,
    expired: bool,
}

impl Subject {
    /// A client that calls itself `name` (CN).
    pub(crate) fn client(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            groups: Vec::new(),
            hosts: Vec::new(),
            usages: vec![ExtendedKeyUsagePurpose::ClientAuth],
            expired: false,
        }
    }

    /// A server of these DNS names and addresses.
    pub(crate) fn server(hosts: &[&str]) -> Self {
        Self {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            usages: vec![ExtendedKeyUsagePurpose::ServerAuth],
            ..Self::client(hosts[0])
        }
    }

    /// Of one more group (O).
    pub(crate) fn group(mut self, name: &str) -> Self {
        self.groups.push(name.to_owned());
        self
    }

    /// Good for these uses and no others.
    pub(crate) fn usages(self, usages: &[ExtendedKeyUsagePurpose]) -> Self {
        Self { usages: usages.to_vec(), ..self }
    }

    /// Valid until yesterday.
    pub(crate) fn expired(self) -> Self {
        Self { expired: true, ..self }
    }
}

impl Authority {
    /// A root that calls itself `name`.
    pub(crate) fn root(name: &str) -> Self {
        let issuer = CertifiedIssuer::self_signed(authority(name), new_key()).expect("a root certificate");
        Self { issuer, between: String::new() }
    }

    /// An authority below this one.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        let issuer = CertifiedIssuer::signed_by(authority(name), new_key(), &*self.issuer)
            .expect("an intermediate certificate");
        Self { between: issuer.pem() + &self.between, issuer }
    }

    /// Its own certificate in PEM.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn issue(&self, subject: &Subject) -> Issued {
        let mut params = CertificateParams::new(subject.hosts.clone()).expect("DNS names and addresses");
        let now = now();
        let day = Duration::from_hours(24);
        params.not_before = (now - SINCE).into();
        params.not_after = if subject.expired { now - day } else { now + 30 * day }.into();
        params.extended_key_usages.clone_from(&subject.usages);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject.name.clone());
        // A name of rcgen's holds each type once; under its number the type counts as another.
        let kinds = [DnType::OrganizationName, DnType::CustomDnType(vec![2, 5, 4, 10])];
        assert!(subject.groups.len() <= kinds.len(), "two groups at most");
        for (kind, group) in kinds.into_iter().zip(&subject.groups) {
            params.distinguished_name.push(kind, group.clone());
        }
        let key = new_key();
        let issuer: &Issuer<'_, KeyPair> = &self.issuer;
        let certificate = params.signed_by(&key, issuer).expect("a certificate");
        Issued { chain: certificate.pem() + &self.between, key: key.serialize_pem() }
    }
}

impl Issued {
    /// As a client presents it.
    pub(crate) fn identity(&self) -> reqwest::Identity {
        reqwest::Identity::from_pem(format!("{}{}", self.chain, self.key).as_bytes()).expect("an identity")
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = (now() - SINCE).into();
    params.not_after = (now() + Duration::from_hours(365 * 24)).into();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn new_key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key")
}

fn now() -> SystemTime {
    jiff::Timestamp::now().into()
}
