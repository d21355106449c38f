//! What the Secret holds, read as far as it makes sense.
use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};

use k8s_openapi::api::core::v1::Secret;
use rcgen::KeyPair;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::{BUNDLE, CA_KEY, CERTIFICATE, Contents, KEY, KEYS, MANAGED_BY, NEXT_CA_KEY, PREVIOUS, Validity};

/// What was found where the certificate is kept.
#[derive(Debug)]
pub enum Found {
    /// No Secret.
    Missing,
    /// A Secret that others made, with content of theirs where ours would go.
    Foreign,
    /// Ours, or empty and so ours to fill.
    Ours(Box<State>),
}

impl Found {
    /// Reads the Secret, `None` if there is none.
    pub fn read(secret: Option<&Secret>) -> Self {
        let Some(secret) = secret else { return Self::Missing };
        let kept: Contents = KEYS
            .into_iter()
            .filter_map(|key| {
                let bytes = &secret.data.as_ref()?.get(key)?.0;
                (!bytes.is_empty()).then(|| (key, bytes.clone()))
            })
            .collect();
        let (label, ours) = MANAGED_BY;
        let labels = secret.metadata.labels.as_ref();
        let labelled = labels.and_then(|labels| labels.get(label)).is_some_and(|value| value == ours);
        if labelled || kept.is_empty() { Self::Ours(Box::new(State::read(kept))) } else { Self::Foreign }
    }
}

/// What is kept, read. What cannot be read is as good as missing.
pub struct State {
    /// As it was found.
    pub(super) kept: Contents,
    /// The serving certificate, if its key is there and belongs to it.
    pub serving: Option<Serving>,
    /// The CAs of the bundle.
    pub(super) authorities: Vec<Authority>,
    /// The CA that issues, if its key is there and belongs to one of the bundle.
    pub(super) issuer: Option<Signer>,
    /// Likewise the CA that will issue next.
    pub(super) next: Option<Signer>,
    /// Validity of the last certificate of the CA that issued before.
    pub(super) previous: Option<Validity>,
}

/// A certificate that can be served.
#[derive(Debug)]
pub struct Serving {
    /// The certificate, and intermediate ones if there are any.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: PrivateKeyDer<'static>,
    /// When it is good.
    pub validity: Validity,
    /// DNS names and addresses it is for.
    pub(super) names: BTreeSet<String>,
    /// Which CA of the bundle signed it.
    pub(super) authority: Option<usize>,
}

/// A CA of the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) der: CertificateDer<'static>,
    pub(super) validity: Validity,
}

/// A CA of which the key is known.
pub(super) struct Signer {
    /// Its place in the bundle.
    pub(super) authority: usize,
    pub(super) key: KeyPair,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("authority", &self.authority).finish_non_exhaustive()
    }
}

impl fmt::Debug for State {
    /// Without what is kept: there are keys in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("serving", &self.serving)
            .field("authorities", &self.authorities.len())
            .field("issuer", &self.issuer)
            .field("next", &self.next)
            .field("previous", &self.previous)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Reads what is kept.
    pub fn read(kept: Contents) -> Self {
        let pem = |key| kept.get(key).map(Vec::as_slice).unwrap_or_default();
        let bundle: Vec<_> = certificates(pem(BUNDLE));
        let parsed: Vec<_> = bundle
            .iter()
            .filter_map(|der| Some((der, parse(der)?)))
            .filter(|(_, certificate)| certificate.is_ca())
            .collect();
        let signer = |name| {
            let key = key_pair(pem(name))?;
            let authority = parsed.iter().position(|(_, certificate)| belongs(&key, certificate))?;
            Some(Signer { authority, key })
        };
        let authorities = parsed
            .iter()
            .map(|(der, certificate)| Authority { der: (*der).clone(), validity: validity(certificate) })
            .collect();
        let (issuer, next) = (signer(CA_KEY), signer(NEXT_CA_KEY));
        let parsed: Vec<_> = parsed.iter().map(|(_, certificate)| certificate).collect();
        let serving = serving(pem(CERTIFICATE), pem(KEY), &parsed);
        let previous = certificates(pem(PREVIOUS)).first().and_then(parse).map(|parsed| validity(&parsed));
        Self { kept, serving, authorities, issuer, next, previous }
    }

    /// The bundle in PEM, as it is kept.
    pub fn bundle(&self) -> Option<&[u8]> {
        self.kept.get(BUNDLE).map(Vec::as_slice)
    }

    /// Why the certificate must not be served, if so.
    pub fn flaw(&self, names: &BTreeSet<String>, now: SystemTime) -> Option<&'static str> {
        let Some(serving) = &self.serving else {
            return Some(if self.kept.contains_key(CERTIFICATE) {
                "the certificate and its key cannot be used"
            } else {
                "there is no certificate"
            });
        };
        let Some(authority) = serving.authority.and_then(|index| self.authorities.get(index)) else {
            return Some("the certificate is of a CA that is not in the bundle");
        };
        if !names.is_subset(&serving.names) {
            Some("the certificate is for other names")
        } else if serving.validity.from > now {
            Some("the certificate is not valid yet: some replica's clock is wrong")
        } else if !serving.validity.includes(now) {
            Some("the certificate has expired")
        } else if !authority.validity.includes(now) {
            Some("the certificate's CA is not valid now")
        } else {
            None
        }
    }

    /// The names a new certificate is to be for: `names`, and those of a certificate that is good but lacks
    /// some. In an upgrade that changes names, old and new replicas then do not take turns.
    pub fn all_names(&self, names: &BTreeSet<String>, now: SystemTime) -> BTreeSet<String> {
        let lacking = |serving: &&Serving| serving.validity.includes(now) && !names.is_subset(&serving.names);
        let others = self.serving.as_ref().filter(lacking).map(|serving| &serving.names);
        names.iter().chain(others.into_iter().flatten()).cloned().collect()
    }

    /// Which CA of the bundle signed this certificate, if one did: then clients trust it.
    pub fn authority_of(&self, certificate: &CertificateDer<'_>) -> Option<usize> {
        let certificate = parse(certificate)?;
        let signs = |authority: &Authority| {
            parse(&authority.der).is_some_and(|authority| signed(&certificate, &authority))
        };
        self.authorities.iter().position(signs)
    }

    /// The authority of a signer, with its key, if it is valid.
    pub(super) fn able<'a>(
        &'a self,
        signer: Option<&'a Signer>,
        now: SystemTime,
    ) -> Option<(&'a Authority, &'a KeyPair)> {
        let signer = signer?;
        let authority = self.authorities.get(signer.authority)?;
        authority.validity.includes(now).then_some((authority, &signer.key))
    }

    /// The CAs of the bundle that are of use: they issue, will issue, or signed what is served.
    pub(super) fn in_use(&self) -> BTreeSet<usize> {
        let signers = [&self.issuer, &self.next].map(|signer| signer.as_ref().map(|signer| signer.authority));
        let serving = self.serving.as_ref().and_then(|serving| serving.authority);
        signers.into_iter().chain([serving]).flatten().collect()
    }
}

fn serving(certificate: &[u8], key: &[u8], bundle: &[&X509Certificate<'_>]) -> Option<Serving> {
    let chain = certificates(certificate);
    let parsed = parse(chain.first()?)?;
    let key = key_pair(key)?;
    if !belongs(&key, &parsed) {
        return None;
    }
    let names = parsed.subject_alternative_name().ok()??.value.general_names.iter();
    let names = names.filter_map(name).collect();
    let authority = bundle.iter().position(|authority| signed(&parsed, authority));
    let validity = validity(&parsed);
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    Some(Serving { chain, key, validity, names, authority })
}

/// Those that are well-formed PEM.
fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).map_while(Result::ok).collect()
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    x509_parser::parse_x509_certificate(der).ok().map(|(_, certificate)| certificate)
}

fn key_pair(pem: &[u8]) -> Option<KeyPair> {
    KeyPair::from_pem(std::str::from_utf8(pem).ok()?).ok()
}

fn belongs(key: &KeyPair, certificate: &X509Certificate<'_>) -> bool {
    certificate.public_key().subject_public_key.data.as_ref() == key.public_key_raw()
}

fn signed(certificate: &X509Certificate<'_>, authority: &X509Certificate<'_>) -> bool {
    certificate.issuer().as_raw() == authority.subject().as_raw()
        && certificate.verify_signature(Some(authority.public_key())).is_ok()
}

fn validity(certificate: &X509Certificate<'_>) -> Validity {
    // A time before 1970 is as good as 1970.
    let time = |seconds: i64| {
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    };
    let validity = certificate.validity();
    Validity { from: time(validity.not_before.timestamp()), until: time(validity.not_after.timestamp()) }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match <[u8; 4]>::try_from(*octets) {
            Ok(octets) => Some(Ipv4Addr::from(octets).to_string()),
            Err(_) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(*octets).ok()?).to_string()),
        },
        _ => None,
    }
}
