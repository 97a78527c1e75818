use quinn::rustls::{ClientConnection, ServerConnection};

use super::*;

fn keypair(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap()
}

/// Runs a handshake over plain buffers; both ends' states, or the first error.
fn shake(client: ClientConfig, server: ServerConfig) -> Result<(ClientConnection, ServerConnection), Error> {
    let mut client = ClientConnection::new(Arc::new(client), "l".try_into().unwrap())?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        let mut rest = &wire[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        let mut rest = &wire[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

#[test]
fn both_ends_learn_each_others_peer_and_choose_aes() {
    let (one, other) = (keypair(1), keypair(2));
    let server_config = server(&other).unwrap();
    let client_config = client(&one, Some(other.public().to_peer_id())).unwrap();
    let (client, server) = shake(client_config, server_config).unwrap();
    let peer = |certificates: Option<&[CertificateDer<'_>]>| parse(&certificates.unwrap()[0]).unwrap().peer_id();
    assert_eq!(peer(client.peer_certificates()), other.public().to_peer_id());
    assert_eq!(peer(server.peer_certificates()), one.public().to_peer_id());
    let suite = client.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, TLS13_AES_256_GCM_SHA384.suite());
}

#[test]
fn another_peer_than_dialled_is_refused() {
    let expected = Some(keypair(3).public().to_peer_id());
    let refused = shake(client(&keypair(1), expected).unwrap(), server(&keypair(2)).unwrap());
    assert_eq!(refused.err(), Some(CertificateError::ApplicationVerificationFailure.into()));
}

#[test]
fn libp2ps_own_configurations_are_understood_at_either_end() {
    let (one, other) = (keypair(1), keypair(2));
    let (there, back) = (Some(other.public().to_peer_id()), Some(one.public().to_peer_id()));
    assert!(shake(client(&one, there).unwrap(), libp2p_tls::make_server_config(&other).unwrap()).is_ok());
    assert!(shake(libp2p_tls::make_client_config(&other, back).unwrap(), server(&one).unwrap()).is_ok());
}

#[test]
fn a_certificate_that_nobody_signed_for_or_a_chain_is_refused() {
    let (good, _) = certificate::generate(&keypair(1)).unwrap();
    let verifier = Verifier { peer: None };
    assert!(verifier.check(&good, &[]).is_ok() && verifier.check(&good, std::slice::from_ref(&good)).is_err());
    for at in (0..good.len()).step_by(5) {
        let mut changed = good.to_vec();
        changed[at] ^= 1;
        assert!(verifier.check(&changed.into(), &[]).is_err(), "{at}");
    }
}
