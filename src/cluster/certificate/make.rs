//! Making CAs and certificates.
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::CertificateDer;

use super::state::{Authority, State};
use super::{
    BUNDLE, CA_KEY, CA_VALIDITY, CERTIFICATE, Contents, KEY, NEXT_CA_KEY, PREVIOUS, SERVING_VALIDITY, Step,
    Validity,
};

/// How many CAs are kept in a bundle when a new one is made. Whoever deletes the Secret again and again
/// must not make it grow without end.
const MOST_KEPT: usize = 2;

/// Characters in a line of PEM.
const PEM_LINE: usize = 64;

/// What is to be kept after `step`, which [`plan`](super::plan()) gave for `state` (`None` if nothing of ours
/// was found). `before` is what was kept earlier, if that is known: when all is made anew its CAs stay in
/// the bundle, because other replicas still serve certificates of theirs.
pub fn make(
    step: Step,
    state: Option<&State>,
    before: Option<&State>,
    names: &BTreeSet<String>,
    now: SystemTime,
) -> Result<Contents, rcgen::Error> {
    let mut contents = state.map(|state| state.kept.clone()).unwrap_or_default();
    let authorities = state.map(|state| state.authorities.as_slice()).unwrap_or_default();
    let issuer = state.and_then(|state| state.able(state.issuer.as_ref(), now));
    let next = state.and_then(|state| state.able(state.next.as_ref(), now));
    match (step, issuer, next) {
        (Step::Nothing | Step::Refuse, _, _) => {}
        (Step::Renew, Some((issuer, key)), _) => issue(&mut contents, issuer, key, names, now)?,
        (Step::AddNext, _, _) => {
            let (next, key) = authority(now)?;
            contents.insert(BUNDLE, bundle(authorities.iter().chain([&next])));
            contents.insert(NEXT_CA_KEY, key.serialize_pem().into_bytes());
        }
        (Step::Switch, _, Some((next, key))) => {
            let others = authorities.iter().filter(|authority| *authority != next);
            contents.insert(BUNDLE, bundle([next].into_iter().chain(others)));
            contents.insert(CA_KEY, key.serialize_pem().into_bytes());
            contents.remove(NEXT_CA_KEY);
            remember(&mut contents, state);
            issue(&mut contents, next, key, names, now)?;
        }
        (Step::DropOld, _, _) => {
            let in_use = state.map(State::in_use).unwrap_or_default();
            let used = authorities.iter().enumerate().filter(|(index, _)| in_use.contains(index));
            contents.insert(BUNDLE, bundle(used.map(|(_, authority)| authority)));
            contents.remove(PREVIOUS);
        }
        // Without a CA's key there is neither renewal nor switch: all is made anew.
        (Step::Create | Step::Renew | Step::Switch, _, _) => {
            let (authority, key) = authority(now)?;
            let known = [state, before].into_iter().flatten();
            let kept = still_trusted(known.clone(), now);
            contents.clear();
            contents.insert(BUNDLE, bundle([&authority].into_iter().chain(kept)));
            contents.insert(CA_KEY, key.serialize_pem().into_bytes());
            remember(&mut contents, known.into_iter().find(|state| state.serving.is_some()));
            issue(&mut contents, &authority, &key, names, now)?;
        }
    }
    Ok(contents)
}

/// The newest CAs that have not expired.
fn still_trusted<'a>(states: impl Iterator<Item = &'a State>, now: SystemTime) -> Vec<&'a Authority> {
    let mut kept: Vec<&Authority> = Vec::new();
    for authority in states.flat_map(|state| &state.authorities) {
        if authority.validity.until >= now && !kept.contains(&authority) {
            kept.push(authority);
        }
    }
    kept.sort_by_key(|authority| Reverse(authority.validity.from));
    kept.truncate(MOST_KEPT);
    kept
}

/// Keeps the certificate that `state` serves as the last one of its CA.
fn remember(contents: &mut Contents, state: Option<&State>) {
    let last = state.filter(|state| state.serving.is_some()).and_then(|state| state.kept.get(CERTIFICATE));
    match last {
        Some(last) => contents.insert(PREVIOUS, last.clone()),
        None => contents.remove(PREVIOUS),
    };
}

/// A new CA and its key.
fn authority(now: SystemTime) -> Result<(Authority, KeyPair), rcgen::Error> {
    let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let validity = Validity::starting(now, CA_VALIDITY);
    let mut params = params(&BTreeSet::new(), &format!("inferometer-ca@{since_epoch}"), validity)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let der = params.self_signed(&key)?.der().clone();
    Ok((Authority { der, validity }, key))
}

/// Puts in a new serving certificate of this CA, and its key.
fn issue(
    contents: &mut Contents,
    issuer: &Authority,
    issuer_key: &KeyPair,
    names: &BTreeSet<String>,
    now: SystemTime,
) -> Result<(), rcgen::Error> {
    let mut validity = Validity::starting(now, SERVING_VALIDITY);
    validity.until = validity.until.min(issuer.validity.until);
    let mut params = params(names, "inferometer", validity)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let issuer = Issuer::from_ca_cert_der(&issuer.der, issuer_key)?;
    let certificate = params.signed_by(&key, &issuer)?;
    contents.insert(CERTIFICATE, certificate.pem().into_bytes());
    contents.insert(KEY, key.serialize_pem().into_bytes());
    Ok(())
}

fn params(
    names: &BTreeSet<String>,
    common_name: &str,
    validity: Validity,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = validity.from.into();
    params.not_after = validity.until.into();
    Ok(params)
}

/// The certificates in PEM, one after the other.
fn bundle<'a>(authorities: impl IntoIterator<Item = &'a Authority>) -> Vec<u8> {
    authorities.into_iter().map(|authority| pem(&authority.der)).collect::<String>().into_bytes()
}

fn pem(certificate: &CertificateDer<'_>) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let encoded = STANDARD.encode(certificate);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(PEM_LINE));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}
