import HTTPTypes
import HubContract
import HubService
import JSONTree
import Platform
import Testing

@Suite("Export and import jobs over REST (contract §7.9)")
struct RESTTransferJobTests {
  /// A signed URI of a container, as the hub makes it.
  private func uri(_ hub: RESTHub, _ letters: String) async throws -> String {
    let reply = try await hub.send(
      .post,
      "/files/signatures",
      json: #"{"containerName":"exports","permissions":"\#(letters)"}"#
    )
    return try #require(try reply.json()["url"]?.stringValue)
  }

  private func create(_ hub: RESTHub, _ body: JSONValue) async throws -> Reply {
    try await hub.send(.post, "/jobs/create", json: JSON.text(body))
  }

  /// Carries out what waits, and answers how the job ended.
  private func end(_ hub: RESTHub, _ reply: Reply) async throws -> JSONValue {
    #expect(reply.status == 200, "\(reply)")
    #expect(try reply.json()["status"] == "enqueued")
    await hub.hub.transferWaitingIdentities()
    let id = try #require(try reply.json()["jobId"]?.stringValue)
    return try await hub.send(.get, "/jobs/\(id)").json()
  }

  private func content(_ hub: RESTHub, _ name: String) async throws -> String {
    try await hub.send(.get, "/files/exports/\(name)").text
  }

  @Test("what one hub exports, another imports; what fails is told")
  func roundTrip() async throws {
    var exported = ""
    try await RESTHub.run { hub in
      for index in 0..<3 { _ = try await hub.device("d\(index)") }
      let ended = try await end(
        hub,
        try await create(
          hub,
          ["type": "export", "outputBlobContainerUri": .string(try await uri(hub, "rwd"))]
        )
      )
      #expect(ended["status"] == "completed", "\(ended)")
      #expect(ended["progress"] == 100)
      #expect(ended["outputBlobContainerUri"] == "https://hub.test/exports")
      #expect(ended["outputBlobName"] == "devices.txt")
      exported = try await content(hub, "devices.txt")
      #expect(exported.split(separator: "\n").count == 3)
      #expect(exported.contains(#""primaryKey":""#))
      let bare = try await end(
        hub,
        try await create(
          hub,
          [
            "type": "export", "storageAuthenticationType": "identityBased",
            "outputBlobContainerUri": "https://hub.test/exports", "outputBlobName": "bare.txt",
            "excludeKeysInExport": true,
          ]
        )
      )
      #expect(bare["status"] == "completed", "\(bare)")
      #expect(try await !content(hub, "bare.txt").contains(#""primaryKey":""#))
    }
    try await RESTHub.run { hub in
      let uri = try await uri(hub, "rw")
      let target = uri.dropFirst("https://hub.test".count).split(separator: "?")
      let put = try await hub.send(
        .put,
        "\(target[0])/devices.txt?\(target[1])",
        as: .none,
        headers: [("x-ms-blob-type", "BlockBlob")],
        body: [UInt8]((exported + "no JSON\n").utf8),
        isVersioned: false
      )
      #expect(put.status == 201, "\(put)")
      let ended = try await end(
        hub,
        try await create(hub, ["type": "import", "inputBlobContainerUri": .string(uri)])
      )
      #expect(ended["status"] == "completed", "\(ended)")
      #expect(try await hub.send(.get, "/devices/d2").status == 200)
      let errors = try await content(hub, "importErrors.log")
      #expect(errors.contains(#""line":4"#), "\(errors)")
      #expect(errors.contains("IotHubFormatError"))
      let missing = try await end(
        hub,
        try await create(
          hub,
          [
            "type": "import", "inputBlobContainerUri": .string(uri), "inputBlobName": "other.txt",
          ]
        )
      )
      #expect(missing["status"] == "failed")
      #expect(missing["failureReason"]?.stringValue?.contains("BlobNotFound") == true)
      #expect(try await hub.send(.get, "/jobs").json().arrayValue?.count == 2)
    }
  }

  @Test("an export that does not fit fails, and leaves nothing")
  func quota() async throws {
    try await RESTHub.run(settings: [("files.quota_bytes", "100")]) { hub in
      _ = try await hub.device("d1")
      let ended = try await end(
        hub,
        try await create(
          hub,
          ["type": "export", "outputBlobContainerUri": .string(try await uri(hub, "rw"))]
        )
      )
      #expect(ended["status"] == "failed")
      #expect(ended["failureReason"]?.stringValue?.contains("files.quota_bytes") == true)
      #expect(try await hub.send(.get, "/files/exports/devices.txt").status == 404)
    }
  }

  @Test(
    "containers elsewhere, unsigned or signed for less are refused, and so are callers without the right"
  )
  func refusals() async throws {
    try await RESTHub.run { hub in
      let good = try await uri(hub, "rw")
      let readable = try await uri(hub, "r")
      for bad in [
        "https://storage.example/exports?sig=1", "http://hub.test/exports", "exports",
        "https://hub.test/exports", "https://hub.test/", "https://hub.test/exports/x?sig=1",
        good.replacing("/exports?", with: "/others?"), readable,
        good.replacing("sig=", with: "sig=A"),
      ] {
        let reply = try await create(
          hub,
          ["type": "export", "outputBlobContainerUri": .string(bad)]
        )
        #expect(reply.status == 400, "\(bad): \(reply)")
        #expect(reply.errorCode == "ArgumentInvalid", "\(bad): \(reply)")
      }
      let body = JSON.text(["type": "export", "outputBlobContainerUri": .string(good)])
      for policy in ["service", "registryRead", "device"] {
        let reply = try await hub.send(.post, "/jobs/create", as: .policy(policy), json: body)
        #expect(reply.status == 401, "\(policy)")
      }
      let first = try await hub.send(.post, "/jobs/create", json: body)
      #expect(first.status == 200)
      let second = try await hub.send(.post, "/jobs/create", json: body)
      #expect(second.status == 403)
      #expect(second.errorCode == "JobQuotaExceeded")
      let id = try #require(try first.json()["jobId"]?.stringValue)
      #expect(try await hub.send(.delete, "/jobs/\(id)").json()["status"] == "cancelled")
      #expect(try await hub.send(.delete, "/jobs/\(id)").status == 405)
      #expect(try await hub.send(.delete, "/jobs/none").status == 404)
      #expect(try await hub.send(.get, "/jobs/none").status == 404)
    }
  }
}
