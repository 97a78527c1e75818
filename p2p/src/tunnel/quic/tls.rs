//! TLS 1.3 with libp2p's certificates (libp2p TLS specification 1.0.0), and an order of ciphers of our own.
//!
//! `libp2p-tls` makes, reads and verifies the certificates. Its configurations put ChaCha20-Poly1305 first, which inside a
//! tunnel means the same cipher twice, in software; AES-256-GCM first costs a fraction where the processor has instructions
//! for it, and every libp2p peer knows it. They also write the secrets to a file that an environment variable names, which
//! these do not.

use std::{io, sync::Arc};

use libp2p::{PeerId, identity::Keypair};
use libp2p_tls::certificate::{self, P2pCertificate};
use quinn::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        CryptoProvider,
        aws_lc_rs::{
            self,
            cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256},
        },
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};

#[cfg(test)]
#[path = "tls_test.rs"]
mod tests;

const ALPN: &[u8] = b"libp2p";
/// What the specification allows and the verifier knows.
const SCHEMES: [SignatureScheme; 9] = [
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA256,
];

/// For whoever listens.
pub(super) fn server(keypair: &Keypair) -> io::Result<ServerConfig> {
    let provider = provider();
    let certificate = own_certificate(keypair, &provider)?;
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
    let mut config = builder
        .map_err(io::Error::other)?
        .with_client_cert_verifier(Arc::new(Verifier { peer: None }))
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.ignore_client_order = true;
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// For a dial; the certificate must be `peer`'s where it is known.
pub(super) fn client(keypair: &Keypair, peer: Option<PeerId>) -> io::Result<ClientConfig> {
    let provider = provider();
    let certificate = own_certificate(keypair, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
    let mut config = builder
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier { peer }))
        .with_client_cert_resolver(certificate);
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    let cipher_suites = vec![TLS13_AES_256_GCM_SHA384, TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256];
    Arc::new(CryptoProvider { cipher_suites, ..aws_lc_rs::default_provider() })
}

fn own_certificate(keypair: &Keypair, provider: &CryptoProvider) -> io::Result<Arc<SingleCertAndKey>> {
    let (certificate, key) = certificate::generate(keypair).map_err(io::Error::other)?;
    let key = provider.key_provider.load_private_key(key).map_err(io::Error::other)?;
    Ok(Arc::new(SingleCertAndKey::from(CertifiedKey::new(vec![certificate], key))))
}

/// Checks what the specification asks for: one certificate, signed by itself, with the signature of the host key over the
/// certificate's key.
#[derive(Debug)]
struct Verifier {
    peer: Option<PeerId>,
}

impl Verifier {
    fn check(&self, certificate: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        if !others.is_empty() {
            return Err(Error::General("more than one certificate".into()));
        }
        let found = parse(certificate)?.peer_id();
        match self.peer {
            Some(peer) if peer != found => Err(CertificateError::ApplicationVerificationFailure.into()),
            _ => Ok(()),
        }
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'a>) -> Result<P2pCertificate<'a>, Error> {
    certificate::parse(certificate).map_err(|_| CertificateError::BadEncoding.into())
}

fn check_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let valid = parse(certificate)?.verify_signature(signed.scheme, message, signed.signature());
    valid.map(|()| HandshakeSignatureValid::assertion()).map_err(|_| CertificateError::BadSignature.into())
}

fn not_spoken() -> Error {
    Error::General("TLS 1.2 is not spoken".into())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(certificate, others).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(not_spoken())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(certificate, others).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(not_spoken())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}
