import ByteIO
import COSE
import Testing

@Suite("Claims (RFC 8392, RFC 9711)")
struct EATClaimsTests {
  @Test("sets of others are read and written as they came; claims out of range are named")
  func vectors() throws {
    let rows = try Vectors.load("claims", as: Vectors.Claims.self)
    #expect(rows.count >= 40)
    for row in rows {
      let bytes = hex(row.encoded)
      if let fault = row.fault {
        #expect(throws: COSEFault.invalidClaim(fault), "\(row.encoded)") {
          try EATClaims(bytes.span)
        }
      } else {
        let claims = try EATClaims(bytes.span)
        #expect(Hex.encode(claims.encoded) == row.encoded)
      }
    }
  }

  @Test("the claims of RFC 8392's example mean what its text says")
  func example() throws {
    let row = try Vectors.load("messages", as: Vectors.Message.self).first {
      $0.source == "RFC 8392 A.3"
    }
    let claims = try EATClaims(hex(try #require(row).payload).span)
    #expect(claims.issuer == "coap://as.example.com")
    #expect(claims.subject == "erikw")
    #expect(claims.audience == "coap://light.example.com")
    #expect(claims.expiration == 1_444_064_944)
    #expect(claims.notBefore == 1_443_944_944)
    #expect(claims.issuedAt == 1_443_944_944)
    #expect(claims.tokenIdentifier == [0x0B, 0x71])
    #expect(claims.others.isEmpty)
  }

  @Test("every field comes back")
  func roundTrip() throws {
    var claims = EATClaims()
    claims.issuer = "i"
    claims.subject = "s"
    claims.audience = "a"
    claims.expiration = 4
    claims.notBefore = 5
    claims.issuedAt = 6
    claims.tokenIdentifier = [7]
    claims.confirmationKey = COSEKey(.ed25519, point: [UInt8](repeating: 9, count: 32))
    claims.nonces = [[UInt8](repeating: 1, count: 8), [UInt8](repeating: 2, count: 9)]
    claims.deviceIdentifier = [UInt8](repeating: 3, count: 17)
    claims.manufacturer = .ieee([1, 2, 3])
    claims.hardwareModel = [1]
    claims.hardwareVersion = EATVersion("1", scheme: 1)
    claims.uptime = .max
    claims.isManufacturersBoot = false
    claims.debugStatus = .disabledPermanently
    claims.profile = .objectIdentifier([0x2A, 3])
    claims.bootCount = 12
    claims.bootSeed = [UInt8](repeating: 4, count: 32)
    claims.softwareName = "n"
    claims.softwareVersion = EATVersion("2")
    claims.measurements = [EATMeasurement(contentFormat: 258, content: [1])]
    claims.intendedUse = .certificateIssuance
    claims.others[-70_000] = .array([.null])
    var part = EATClaims()
    part.debugStatus = .enabled
    claims.submodules = [EATSubmodule("p", .claims(part)), EATSubmodule("t", .token([1]))]
    #expect(try EATClaims(claims.encoded.span) == claims)
    let random = EATManufacturer.random([UInt8](repeating: 1, count: 16))
    for manufacturer in [random, .enterpriseNumber(5)] {
      claims.manufacturer = manufacturer
      #expect(try EATClaims(claims.encoded.span) == claims)
    }
  }

  @Test("parts inside parts end at a depth")
  func depth() throws {
    var claims = EATClaims()
    claims.softwareName = "innermost"
    for level in 1...4 {
      var outer = EATClaims()
      outer.submodules = [EATSubmodule("p", .claims(claims))]
      claims = outer
      let bytes = claims.encoded
      if level <= 3 {
        #expect(try EATClaims(bytes.span) == claims)
      } else {
        #expect(throws: COSEFault.nestingTooDeep) { try EATClaims(bytes.span) }
      }
    }
  }

  @Test("changed sets are refused or are written again as they came")
  func mutation() throws {
    let originals = try Vectors.load("claims", as: Vectors.Claims.self).filter { $0.fault == nil }
    var generator = SeededGenerator(seed: 9_711)
    for round in 0..<20_000 {
      let changed = mutated(hex(originals[round % originals.count].encoded), using: &generator)
      guard let claims = try? EATClaims(changed.span) else { continue }
      // A key may come without what it need not say; it is written with it.
      guard claims.confirmationKey == nil else { continue }
      guard claims.encoded == changed else {
        Issue.record("round \(round): \(Hex.encode(changed))")
        return
      }
    }
  }
}
