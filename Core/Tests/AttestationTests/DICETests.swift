import Attestation
import ByteIO
import COSE
import Testing

@Suite("Derivation of secrets, keys and names (Open Profile for DICE)")
struct DICETests {
  @Test("secrets, keys and names are those that another implementation derives")
  func vectors() throws {
    let functions = DICEFunctions.recorded
    for device in try RecordedDevice.all() {
      var secrets = DICESecrets(deviceSecret: hex(device.secret))
      let seed = DICE.keySeed(secrets.attestation, for: .certificates, functions)
      #expect(Hex.encode(try DICE.privateKeyP256(seed: seed, functions)) == device.rootKey)
      #expect(DICEChain.name(of: try key(device.rootPoint), functions).string == device.rootName)
      #expect(
        Hex.encode(DICE.deviceIdentifier(of: hex(device.rootPoint), functions)) == device.identifier
      )
      for layer in device.layers {
        secrets = DICE.next(secrets, try layer.inputs(), functions)
        #expect(Hex.encode(secrets.attestation) == layer.attestation)
        #expect(Hex.encode(secrets.sealing) == layer.sealing)
        let seed = DICE.keySeed(secrets.attestation, for: .certificates, functions)
        #expect(Hex.encode(try DICE.privateKeyP256(seed: seed, functions)) == layer.key)
        #expect(DICEChain.name(of: try key(layer.point), functions).string == layer.name)
      }
      for (purpose, expected) in [
        (DICE.KeyPurpose.evidence, device.evidenceKey),
        (.client(device.clientNumber), device.clientKey),
      ] {
        let seed = DICE.keySeed(secrets.attestation, for: purpose, functions)
        #expect(Hex.encode(try DICE.privateKeyP256(seed: seed, functions)) == expected)
      }
    }
  }

  @Test("inputs have the lengths of the profile")
  func inputs() {
    let whole = [UInt8](repeating: 0, count: 64)
    let short = [UInt8](repeating: 0, count: 63)
    let wrong: [([UInt8], DICEConfiguration, [UInt8], [UInt8])] = [
      (short, .inline(whole), whole, whole), (whole, .inline(short), whole, whole),
      (whole, .inline(whole), short, whole), (whole, .inline(whole), whole, short),
      (short, .descriptor([]), whole, whole),
    ]
    for (code, configuration, authority, hidden) in wrong {
      #expect(throws: AttestationFault.inputByteCount(63)) {
        try DICEInputs(
          codeHash: code,
          configuration: configuration,
          authorityHash: authority,
          mode: .normal,
          hidden: hidden
        )
      }
    }
  }

  @Test("a private key is in range, whatever the generator gives first")
  func range() throws {
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
    let below = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550")
    let zeros = [UInt8](repeating: 0, count: 32)
    // The key counts how often it was moved on, twice by the seed; the output depends on it: too
    // large, zero, the order, and at last one below it.
    let outputs = [[UInt8](repeating: 0xFF, count: 32), zeros, order, below]
    let scripted = DICEFunctions(
      hash: { _ in [] },
      authenticate: { key, message in
        guard message.count == 64 else { return zeros + zeros.dropLast() + [key[63] + 1] }
        return outputs[Int(max(key[63], 2)) - 2] + zeros
      },
      derive: { _, _, _, _ in [] }
    )
    #expect(try DICE.privateKeyP256(seed: zeros, scripted) == below)
    let broken = DICEFunctions(
      hash: { _ in [] },
      authenticate: { _, _ in zeros + zeros },
      derive: { _, _, _, _ in [] }
    )
    #expect(throws: AttestationFault.noPrivateKey) {
      try DICE.privateKeyP256(seed: zeros, broken)
    }
  }
}

@Suite("Certificates (Open Profile for DICE, CBOR form)")
struct DICECertificateTests {
  @Test("certificates are, byte for byte, what another implementation writes")
  func vectors() throws {
    let functions = DICEFunctions.recorded
    for device in try RecordedDevice.all() {
      var issuer = try key(device.rootPoint)
      for layer in device.layers {
        let subject = try key(layer.point)
        let certificate = DICECertificate(
          issuer: DICEChain.name(of: issuer, functions),
          subject: DICEChain.name(of: subject, functions),
          key: subject,
          usage: .certificates,
          layer: DICELayer(try layer.inputs(), functions)
        )
        let bytes = hex(layer.certificate)
        #expect(
          try DICECertificate(bytes.span, signedBy: issuer, check: checkRecorded) == certificate
        )
        let message = try COSEMessage(bytes.span, kind: .sign1, tagging: .untagged)
        let draft = try certificate.draft(algorithm: .es256)
        let again = try draft.finished(
          with: [UInt8](bytes[message.authenticationRange]),
          tagging: .untagged
        )
        #expect(again == bytes)
        issuer = subject
      }
    }
  }

  @Test("fields that are missing, unknown or of another form refuse a certificate")
  func refusals() throws {
    let device = try #require(try RecordedDevice.all().last)
    let bytes = hex(try #require(device.layers.last).certificate)
    let message = try COSEMessage(bytes.span, kind: .sign1, tagging: .untagged)
    let payload = [UInt8](bytes[try #require(message.payloadRange)])
    let whole = try #require(try CBORValue(payload.span).map)
    let hash = [UInt8](repeating: 1, count: 63)
    let changes: [(Int64, CBORValue?)] = [
      (1, nil), (1, .bytes([])), (2, nil), (2, .integer(1)), (3, .text("aud")), (4, .integer(1)),
      (6, .integer(1)), (-4_670_545, nil), (-4_670_545, .bytes(hash)), (-4_670_545, .text("")),
      (-4_670_546, .text("")), (-4_670_547, .bytes(hash)), (-4_670_547, .null),
      (-4_670_548, nil), (-4_670_549, nil), (-4_670_549, .bytes(hash)), (-4_670_550, .integer(0)),
      (-4_670_551, nil), (-4_670_551, .bytes([])), (-4_670_551, .bytes([1, 1])),
      (-4_670_551, .integer(1)), (-4_670_552, nil), (-4_670_553, nil), (-4_670_553, .bytes([0])),
      (-4_670_553, .bytes([0x21])), (-4_670_553, .bytes([0x20, 0])), (-4_670_554, .bytes([])),
      (-4_670_555, .bytes([])), (100, .null),
    ]
    for (label, value) in changes {
      var map = whole
      map[label] = value
      let changed = CBORValue.map(map).encoded
      #expect(throws: AttestationFault.invalidCertificate, "\(label)") {
        try DICECertificate(payload: changed.span)
      }
    }
    var map = whole
    map[-4_670_552] = .bytes([0xA0])
    let keyless = CBORValue.map(map).encoded
    #expect(throws: AttestationFault.encoding(.invalidKey)) {
      try DICECertificate(payload: keyless.span)
    }
    // A configuration of 64 bytes needs no hash; a mode that nobody defined is the unconfigured one.
    map = whole
    map[-4_670_547] = nil
    map[-4_670_548] = .bytes([UInt8](repeating: 7, count: 64))
    map[-4_670_551] = .bytes([9])
    let inline = CBORValue.map(map).encoded
    #expect(try DICECertificate(payload: inline.span).layer?.mode == .notConfigured)
  }
}
