import Crypto
import Foundation
import HTTPTypes
import HubContract
import HubEngine
import JSONTree
import Platform
import SwiftASN1
import Testing
import X509

@Suite("Certificates and policies by REST (hub contract §2.1, §2.2)")
struct RESTOperatorTests {
  /// A leaf with this common name, DER.
  private static func leaf(
    _ name: String,
    by authority: CertificateMaker.Issued,
    validFor seconds: Double = 3600
  ) throws -> [UInt8] {
    let issuer = try Certificate(pemEncoded: authority.certificatePEM)
    let key = Certificate.PrivateKey(P256.Signing.PrivateKey())
    let certificate = try Certificate(
      version: .v3,
      serialNumber: Certificate.SerialNumber(),
      publicKey: key.publicKey,
      notValidBefore: Date().addingTimeInterval(-7200),
      notValidAfter: Date().addingTimeInterval(seconds),
      issuer: issuer.subject,
      subject: try DistinguishedName { CommonName(name) },
      signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
      },
      issuerPrivateKey: try Certificate.PrivateKey(pemEncoded: authority.privateKeyPEM)
    )
    return try certificate.serializeAsPEM().derBytes
  }

  private static func body(_ der: [UInt8]) -> String {
    #"{"certificate":"\#(Data(der).base64EncodedString())"}"#
  }

  private static func body(pem: String) -> String {
    JSON.text(["certificate": .string(pem)])
  }

  @Test("An authority vouches for devices once possession of its key was proved")
  func proof() async throws {
    let authority = try CertificateMaker.makeAuthority(commonName: "Field CA")
    let stranger = try CertificateMaker.makeAuthority(commonName: "Field CA")
    try await RESTHub.run { hub in
      let path = "/certificates/field"
      let put = try await hub.send(.put, path, json: Self.body(pem: authority.certificatePEM))
      #expect(put.status == 200, "\(put)")
      let record = try put.json()
      #expect(record["properties"]?["isVerified"] == false)
      #expect(record["properties"]?["subject"] == "CN=Field CA")
      #expect(record["properties"]?["thumbprint"]?.stringValue?.utf8.count == 40)
      #expect(record["etag"]?.stringValue == put.etag)
      _ = try await hub.send(
        .put,
        "/devices/x",
        json: #"{"deviceId":"x","authentication":{"type":"certificateAuthority"}}"#
      )
      let chain = RESTHub.Credential.chain([try Self.leaf("x", by: authority)])
      let events = "/devices/x/messages/events"
      #expect(try await hub.send(.post, events, as: chain, body: [1]).status == 401)

      let early = try await hub.send(
        .post,
        "\(path)/verify",
        json: Self.body(try Self.leaf("x", by: authority))
      )
      #expect(early.errorCode == "ArgumentInvalid", "no code was asked for")
      let stale = try await hub.send(
        .post,
        "\(path)/generateVerificationCode",
        headers: [("If-Match", "\"AAAA\"")]
      )
      #expect(stale.status == 412)
      let coded = try await hub.send(
        .post,
        "\(path)/generateVerificationCode",
        headers: [("If-Match", put.etag ?? "")]
      )
      let code = try #require(try coded.json()["properties"]?["verificationCode"]?.stringValue)
      #expect(code.utf8.count <= 64)
      let wrong: [(String, [UInt8])] = [
        ("another name", try Self.leaf("x", by: authority)),
        ("another key of the same name", try Self.leaf(code, by: stranger)),
        ("expired", try Self.leaf(code, by: authority, validFor: -3600)),
      ]
      for (name, proof) in wrong {
        let reply = try await hub.send(.post, "\(path)/verify", json: Self.body(proof))
        #expect(reply.status == 400, "\(name): \(reply)")
      }
      let verified = try await hub.send(
        .post,
        "\(path)/verify",
        headers: [("If-Match", coded.header("ETag") ?? "")],
        json: Self.body(try Self.leaf(code, by: authority))
      )
      #expect(verified.status == 200, "\(verified)")
      #expect(try verified.json()["properties"]?["isVerified"] == true)
      #expect(try verified.json()["properties"]?["verificationCode"] == .null)

      #expect(try await hub.send(.post, events, as: chain, body: [1]).status == 204)
      let other = RESTHub.Credential.chain([try Self.leaf("y", by: authority)])
      #expect(try await hub.send(.post, events, as: other, body: [1]).status == 401)
      let forged = RESTHub.Credential.chain([try Self.leaf("x", by: stranger)])
      #expect(try await hub.send(.post, events, as: forged, body: [1]).status == 401)

      #expect(try await hub.send(.get, "/certificates").json().arrayValue?.count == 1)
      #expect(try await hub.send(.delete, path).status == 204)
      #expect(try await hub.send(.get, path).status == 404)
      #expect(try await hub.send(.post, events, as: chain, body: [1]).status == 401)
    }
  }

  @Test("What is no authority is not registered")
  func certificateRefusals() async throws {
    let authority = try CertificateMaker.makeAuthority(commonName: "CA")
    let leaf = try Self.leaf("leaf", by: authority)
    try await RESTHub.run { hub in
      let good = Self.body(pem: authority.certificatePEM)
      let rows: [(String, String, [(String, String)], Int)] = [
        ("c", Self.body(leaf), [], 400), ("c", "{}", [], 400),
        ("c", #"{"certificate":7}"#, [], 400), ("c", #"{"certificate":"x"}"#, [], 400),
        ("c", #"{"certificate":""}"#, [], 400), ("c", "[]", [], 400),
        ("a%20b", good, [], 400), (String(repeating: "n", count: 65), good, [], 400),
        ("c", good, [("If-Match", "*")], 404), ("c", good, [], 200), ("c", good, [], 412),
        ("other", good, [], 400), ("c", good, [("If-Match", "\"AAAA\"")], 412),
        ("c", good, [("If-Match", "*")], 200),
      ]
      for (name, body, headers, status) in rows {
        let reply = try await hub.send(.put, "/certificates/\(name)", headers: headers, json: body)
        #expect(reply.status == status, "\(name) \(body.prefix(40)): \(reply)")
      }
      for path in ["/certificates/none/verify", "/certificates/none/generateVerificationCode"] {
        let reply = try await hub.send(.post, path, json: good)
        #expect(reply.status == 404)
        #expect(reply.errorCode == "NotFound")
      }
      #expect(try await hub.send(.delete, "/certificates/none").status == 404)
      #expect(
        try await hub.send(.get, "/certificates", as: .policy("registryReadWrite")).status == 401
      )
    }
  }

  @Test("A policy's keys change at once, and the last owner stays")
  func policies() async throws {
    try await RESTHub.run { hub in
      let list = try await hub.send(.get, "/policies")
      #expect(
        try list.json().arrayValue?.compactMap { $0["name"]?.stringValue }.sorted()
          == [
            "device", "iothubowner", "provisioningserviceowner", "registryRead",
            "registryReadWrite", "service",
          ]
      )
      let old = RESTHub.Credential.policy("service")
      _ = try await hub.device("d1")
      #expect(try await hub.send(.get, "/twins/d1", as: old).status == 200)
      let renewed = try await hub.send(
        .post,
        "/policies/service/regenerate",
        json: #"{"key":"primary"}"#
      )
      #expect(renewed.status == 200)
      #expect(
        try renewed.json()["secondaryKey"]?.stringValue
          == hub.policies["service"]?.secondaryKey.base64
      )
      #expect(try await hub.send(.get, "/twins/d1", as: old).status == 401)

      let made = try await hub.send(
        .put,
        "/policies/tail",
        json: #"{"rights":["ServiceConnect","ServiceConnect"]}"#
      )
      #expect(made.status == 200)
      #expect(try made.json()["rights"] == ["ServiceConnect"])
      let kept = try await hub.send(
        .put,
        "/policies/tail",
        json: #"{"rights":["RegistryRead"],"primaryKey":null}"#
      )
      #expect(try kept.json()["primaryKey"] == made.json()["primaryKey"])
      #expect(try await hub.send(.delete, "/policies/tail").status == 204)
      let rows: [(HTTPRequest.Method, String, String, Int)] = [
        (.get, "/policies/none", "", 404), (.delete, "/policies/none", "", 404),
        (.post, "/policies/none/regenerate", #"{"key":"both"}"#, 404),
        (.post, "/policies/service/regenerate", #"{"key":"third"}"#, 400),
        (.post, "/policies/service/regenerate", "{}", 400),
        (.put, "/policies/x", #"{"rights":[]}"#, 400),
        (.put, "/policies/x", #"{"rights":["All"]}"#, 400),
        (.put, "/policies/x", #"{"rights":"RegistryRead"}"#, 400),
        (.put, "/policies/x", #"{"rights":["RegistryRead"],"primaryKey":"short"}"#, 400),
        (.put, "/policies/x%20y", #"{"rights":["RegistryRead"]}"#, 400),
        (.put, "/policies/iothubowner", #"{"rights":["RegistryRead"]}"#, 400),
        (.delete, "/policies/iothubowner", "", 400),
      ]
      for (method, path, body, status) in rows {
        let reply = try await hub.send(method, path, json: body)
        #expect(reply.status == status, "\(method) \(path) \(body): \(reply)")
      }
      let all = #"{"rights":["RegistryRead","RegistryWrite","ServiceConnect","DeviceConnect"]}"#
      #expect(try await hub.send(.put, "/policies/second", json: all).status == 200)
      #expect(try await hub.send(.delete, "/policies/iothubowner").status == 204)
      #expect(try await hub.send(.get, "/policies").status == 401)
    }
  }
}
