//! Any bytes, read as certificates: DER as a client presents them, PEM as an authority's bundle.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{Authorities, BundleError, MOST_AUTHORITIES, common_name, next_change, user};

/// An authority whose key nobody has.
static AUTHORITY: LazyLock<Authorities> = LazyLock::new(|| {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("there is randomness");
    let certificate = params.self_signed(&key).expect("the parameters are sound");
    Authorities::parse(&certificate.pem()).expect("it is an authority")
});

/// An authority that issued no certificate.
pub(in crate::auth) fn authority() -> Authorities {
    AUTHORITY.clone()
}

/// Whatever a chain says of itself, no authority vouches for it that did not issue it; a user has a name;
/// and what changes, changes later.
pub(crate) fn check(bytes: &[u8]) {
    let pem: Vec<_> = CertificateDer::pem_slice_iter(bytes).take(16).filter_map(Result::ok).collect();
    let chain = if pem.is_empty() { vec![CertificateDer::from(bytes)] } else { pem };
    let now = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
    judge(&chain, now);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Authorities::parse(text) {
        Ok(authorities) => {
            assert!((1..=MOST_AUTHORITIES).contains(&authorities.keys.len()));
            assert!(authorities.share_a_key(&authorities) && !authorities.share_a_key(&AUTHORITY));
            // Its own certificates, in the place of a client's: an answer of either kind.
            authorities.vouch_for(&chain, now);
        }
        Err(BundleError::Unusable { number, .. }) => assert!((1..=MOST_AUTHORITIES).contains(&number)),
        Err(_) => {}
    }
}

fn judge(chain: &[CertificateDer<'_>], now: SystemTime) {
    assert!(!AUTHORITY.vouch_for(chain, now));
    if let Some(user) = user(chain) {
        assert_eq!(common_name(chain).as_deref(), Some(user.name()));
        assert!(!user.name().is_empty());
    }
    assert!(next_change(chain, now).is_none_or(|moment| moment > now));
}
