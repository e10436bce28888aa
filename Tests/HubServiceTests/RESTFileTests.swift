import Foundation
import HTTPTypes
import HubContract
import HubEngine
import HubService
import JSONTree
import Platform
import Testing

@Suite("Files over REST (contract §5, §8.2)")
struct RESTFileTests {
  /// What a device was answered, as it uses it.
  private struct Upload {
    let correlationID: String
    /// Path and query.
    let target: String

    init(_ reply: Reply) throws {
      #expect(reply.status == 200, "\(reply)")
      let body = try reply.json()
      func text(_ name: String) throws -> String { try #require(body[name]?.stringValue) }
      correlationID = try text("correlationId")
      target = try "/\(text("containerName"))/\(text("blobName"))\(text("sasToken"))"
    }

    func with(_ query: String) -> String { "\(target)&\(query)" }
  }

  private func begin(
    _ hub: RESTHub,
    _ device: String = "d1",
    _ name: String = "x.txt"
  ) async throws -> (Upload, RESTHub.Credential) {
    let credential = try await hub.device(device)
    let reply = try await hub.send(
      .post,
      "/devices/\(hub.encoded(device))/files",
      as: credential,
      json: #"{"blobName":"\#(name)"}"#
    )
    return (try Upload(reply), credential)
  }

  private func blob(
    _ hub: RESTHub,
    _ method: HTTPRequest.Method,
    _ target: String,
    _ headers: [(String, String)] = [],
    _ body: [UInt8]? = nil
  ) async throws -> Reply {
    var headers = headers
    if method == .put, !headers.contains(where: { $0.0 == "Content-Length" }) {
      headers.append(("Content-Length", String(body?.count ?? 0)))
    }
    return try await hub.send(
      method,
      target,
      as: .none,
      headers: headers,
      body: body ?? [],
      isVersioned: false
    )
  }

  private func put(
    _ hub: RESTHub,
    _ target: String,
    _ text: String,
    _ headers: [(String, String)] = []
  ) async throws -> Reply {
    try await blob(
      hub,
      .put,
      target,
      [("x-ms-blob-type", "BlockBlob")] + headers,
      [UInt8](text.utf8)
    )
  }

  private func complete(
    _ hub: RESTHub,
    _ upload: Upload,
    as device: RESTHub.Credential,
    isSuccess: Bool = true
  ) async throws -> Reply {
    try await hub.send(
      .post,
      "/devices/d1/files/notifications",
      as: device,
      json: #"{"correlationId":"\#(upload.correlationID)","isSuccess":\#(isSuccess)}"#
    )
  }

  private func files(in folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder + "/files")
  }

  @Test("a device uploads, reads its file back, completes; a service is told and downloads")
  func wholeStory() async throws {
    try await RESTHub.run { hub in
      let (upload, device) = try await begin(hub)
      let put = try await put(
        hub,
        upload.target,
        "hello",
        [("x-ms-blob-content-type", "text/plain")]
      )
      #expect(put.status == 201, "\(put)")
      #expect(put.header("ETag")?.hasPrefix("\"0x") == true)
      #expect(put.header("Content-MD5") == "XUFAKrxLKna5cZ2REBfFkg==")
      #expect(put.header("x-ms-request-id") != nil)
      let got = try await blob(hub, .get, upload.target)
      #expect(got.status == 200)
      #expect(got.text == "hello")
      #expect(got.header("Content-Type") == "text/plain")
      #expect(got.header("Content-MD5") == "XUFAKrxLKna5cZ2REBfFkg==")
      let head = try await blob(hub, .head, upload.target)
      #expect(head.header("Content-Length") == "5")
      #expect(head.body.isEmpty)
      #expect(try await complete(hub, upload, as: device).status == 204)
      #expect(
        try await complete(hub, upload, as: device).errorCode == "InvalidFileUploadCorrelationId"
      )
      let path = "/messages/serviceBound/filenotifications"
      let news = try await hub.send(.get, path, as: .policy("service"))
      #expect(news.status == 200, "\(news)")
      #expect(news.header("Content-Type") == FileNotification.contentType)
      #expect(try news.json()["blobUri"] == "https://hub.test/uploads/d1/x.txt")
      #expect(try await hub.send(.get, path).status == 204)
      let lock = try #require(news.etag)
      #expect(try await hub.send(.post, "\(path)/\(lock)/abandon").status == 204)
      let again = try await hub.send(.get, path)
      #expect(again.body == news.body)
      let secondLock = try #require(again.etag)
      #expect(try await hub.send(.delete, "\(path)/\(secondLock)").status == 204)
      #expect(try await hub.send(.delete, "\(path)/\(secondLock)").status == 412)
      let list = try await hub.send(.get, "/files?prefix=d1%2F", as: .policy("service"))
      #expect(try list.json().arrayValue?.map { $0["blobName"] } == ["d1/x.txt"])
      let file = "/files/uploads/d1%2Fx.txt"
      #expect(try await hub.send(.get, file, as: .policy("service")).text == "hello")
      #expect(try await hub.send(.get, file, as: .policy("registryRead")).status == 401)
      #expect(try await hub.send(.delete, file).status == 204)
      #expect(try await hub.send(.get, file).status == 404)
      #expect(try await blob(hub, .get, upload.target).status == 404)
    }
  }

  @Test(
    "a device's ID may hold whatever an ID holds",
    arguments: ["d#1", "d?x=1", "d%41", "a:b(1)'"]
  )
  func oddIDs(id: String) async throws {
    try await RESTHub.run { hub in
      let (upload, _) = try await begin(hub, id)
      #expect(try await put(hub, upload.target, "x").status == 201)
      let list = try await hub.send(.get, "/files")
      #expect(try list.json().arrayValue?.first?["blobName"] == .string("\(id)/x.txt"))
      // Some SDKs escape the name that they were given.
      let mark = try #require(upload.target.range(of: "?sv="))
      let name = String(upload.target[..<mark.lowerBound].dropFirst("/uploads/".count))
      let target = "/uploads/\(hub.encoded(name))\(upload.target[mark.lowerBound...])"
      #expect(try await blob(hub, .get, target).text == "x")
    }
  }

  @Test("IDs and names that a URL would not carry are refused")
  func namesThatAreNone() async throws {
    try await RESTHub.run { hub in
      for id in [".", ".."] {
        let device = try await hub.device(id)
        let reply = try await hub.send(
          .post,
          "/devices/\(hub.encoded(id))/files",
          as: device,
          json: #"{"blobName":"x"}"#
        )
        #expect(reply.errorCode == "ArgumentInvalid")
      }
      let device = try await hub.device("d1")
      for name in ["../d2/x", "a/../../x", "/etc/passwd", "a//b", "", #"a\\b"#] {
        let reply = try await hub.send(
          .post,
          "/devices/d1/files",
          as: device,
          json: #"{"blobName":"\#(name)"}"#
        )
        #expect(reply.status == 400, "\(name): \(reply)")
      }
    }
  }

  @Test("what is not signed so is refused in the storage service's shape")
  func refusedSignatures() async throws {
    try await RESTHub.run { hub in
      let (upload, _) = try await begin(hub)
      #expect(try await put(hub, upload.target, "mine").status == 201)
      let signature = try #require(upload.target.range(of: "sig="))
      let query = try #require(upload.target.range(of: "?"))
      let rest = upload.target[query.lowerBound...]
      let forged = upload.target.replacingCharacters(
        in: signature.upperBound..<upload.target.endIndex,
        with: String(repeating: "A", count: 43) + "%3D"
      )
      let rows = [
        (forged, 403, "AuthenticationFailed"),
        (upload.target.replacing("sp=rw", with: "sp=rwd"), 403, "AuthenticationFailed"),
        (upload.target.replacing("sr=b", with: "sr=c"), 403, "AuthenticationFailed"),
        ("/uploads/d2/x.txt\(rest)", 403, "AuthenticationFailed"),
        ("/uploads/d1/../d2/x.txt\(rest)", 403, "AuthenticationFailed"),
        ("/uploads/d1%2F..%2Fd2%2Fx.txt\(rest)", 403, "AuthenticationFailed"),
        ("/other/d1/x.txt\(rest)", 403, "AuthenticationFailed"),
        ("/uploads?restype=container&comp=list&\(rest.dropFirst())", 403, "AuthenticationFailed"),
        ("/UPLOADS/d1/x.txt\(rest)", 400, "InvalidResourceName"),
      ]
      for (target, status, code) in rows {
        let reply = try await blob(hub, .get, target)
        #expect(reply.status == status, "\(target): \(reply)")
        #expect(reply.header("x-ms-error-code") == code, "\(target): \(reply)")
        #expect(reply.text.contains("<Code>\(code)</Code>"))
      }
      let bare = try await blob(hub, .get, "/uploads/d1/x.txt", [("x-ms-version", "2021-12-02")])
      #expect(bare.status == 401)
      #expect(bare.header("x-ms-error-code") == "NoAuthenticationInformation")
      #expect(
        try await blob(hub, .delete, upload.target).header("x-ms-error-code")
          == "AuthorizationPermissionMismatch"
      )
      #expect(try await blob(hub, .get, upload.target).text == "mine")
    }
  }

  @Test("an ended signature is refused, whoever signed it")
  func endedSignature() async throws {
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        let key = try PrivateFile.read(folder + "/storage.key")
        for (seconds, status) in [(Int64(-1), 403), (60, 201)] {
          let query = BlobSignature.make(
            account: RESTHub.host,
            container: "uploads",
            name: "d1/x",
            permissions: [.write],
            expiry: Timestamp(ticks: SystemClock.wallTicks()).adding(seconds: seconds),
            key: try #require(SymmetricKey(base64: String(decoding: key, as: UTF8.self))),
            hmacSHA256: { Hashing.hmacSHA256(key: $0, message: $1) }
          )
          let reply = try await put(hub, "/uploads/d1/x?\(query)", "x")
          #expect(reply.status == status, "\(reply)")
          #expect(reply.text.contains("ended at") == (status == 403))
        }
      }
    }
  }

  @Test("blocks become a blob by their list, in its order")
  func blocks() async throws {
    try await RESTHub.run { hub in
      let (upload, _) = try await begin(hub)
      for (id, text) in [("QUFB", "world"), ("QkJC", "hello "), ("Q0ND", "never")] {
        let reply = try await blob(
          hub,
          .put,
          upload.with("comp=block&blockid=\(id)"),
          [],
          [UInt8](text.utf8)
        )
        #expect(reply.status == 201, "\(reply)")
      }
      #expect(try await blob(hub, .get, upload.target).status == 404)
      let waiting = try await blob(hub, .get, upload.with("comp=blocklist&blocklisttype=all"))
      #expect(waiting.text.contains("<Name>Q0ND</Name><Size>5</Size>"))
      func commit(_ body: String) async throws -> Reply {
        try await blob(hub, .put, upload.with("comp=blocklist"), [], [UInt8](body.utf8))
      }
      #expect(try await commit("<BlockList><Latest>RERE</Latest></BlockList>").status == 400)
      #expect(
        try await commit("<BlockList><Latest>QUFB</Latest><Latest>QUFB</Latest></BlockList>")
          .header("x-ms-error-code") == "InvalidBlockList"
      )
      let list = "<BlockList><Latest>QkJC</Latest><Uncommitted>QUFB</Uncommitted></BlockList>"
      #expect(try await commit(list).status == 201)
      #expect(try await blob(hub, .get, upload.target).text == "hello world")
      for (range, status, text) in [
        ("bytes=0-4", 206, "hello"), ("bytes=4-7", 206, "o wo"), ("bytes=6-", 206, "world"),
        ("bytes=10-99", 206, "d"), ("bytes=11-", 416, ""), ("bytes=5-4", 416, ""),
        ("bytes=-3", 416, ""), ("lines=1-2", 416, ""),
      ] {
        let reply = try await blob(
          hub,
          .get,
          upload.target,
          [("x-ms-range", range), ("x-ms-range-get-content-md5", "true")]
        )
        #expect(reply.status == status, "\(range): \(reply)")
        if status == 206 { #expect(reply.text == text, "\(range)") }
      }
    }
  }

  @Test("an append blob grows by its blocks")
  func append() async throws {
    try await RESTHub.run { hub in
      let (upload, _) = try await begin(hub)
      func append(_ text: String, _ headers: [(String, String)] = []) async throws -> Reply {
        try await blob(hub, .put, upload.with("comp=appendblock"), headers, [UInt8](text.utf8))
      }
      #expect(try await append("a").status == 404)
      let type = [("x-ms-blob-type", "AppendBlob")]
      #expect(try await blob(hub, .put, upload.target, type).status == 201)
      #expect(try await append("ab").header("x-ms-blob-append-offset") == "0")
      #expect(try await append("c").header("x-ms-blob-append-offset") == "2")
      let wrong = try await append("d", [("x-ms-blob-condition-appendpos", "2")])
      #expect(wrong.header("x-ms-error-code") == "AppendPositionConditionNotMet")
      #expect(try await blob(hub, .get, upload.target).text == "abc")
    }
  }

  @Test("requests that do not fit leave nothing behind")
  func refusedWrites() async throws {
    try await RESTHub.inFolder { folder in
      try await RESTHub.run(in: folder) { hub in
        let (upload, _) = try await begin(hub)
        let text = "hello"
        let rows: [([(String, String)], Int, String)] = [
          ([("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")], 400, "Md5Mismatch"),
          ([("Content-MD5", "x")], 400, "InvalidHeaderValue"),
          ([("x-ms-content-crc64", "AAAAAAAAAAA=")], 400, "Crc64Mismatch"),
          ([("Content-Length", "6")], 400, "InvalidInput"),
          ([("Content-Length", "4")], 400, "InvalidInput"),
          ([("Content-Length", "x")], 411, "MissingContentLengthHeader"),
          ([("Content-Length", "99999999999")], 413, "RequestBodyTooLarge"),
          ([("If-Match", "\"0x1\"")], 412, "ConditionNotMet"),
          ([("x-ms-lease-id", "1")], 400, "UnsupportedHeader"),
        ]
        for (headers, status, code) in rows {
          let reply = try await put(hub, upload.target, text, headers)
          #expect(reply.status == status, "\(headers): \(reply)")
          #expect(reply.header("x-ms-error-code") == code, "\(headers): \(reply)")
        }
        #expect(
          try await blob(hub, .put, upload.target).header("x-ms-error-code")
            == "MissingRequiredHeader"
        )
        #expect(
          try await blob(hub, .put, upload.with("comp=page")).header("x-ms-error-code")
            == "UnsupportedQueryParameter"
        )
        #expect(try await blob(hub, .get, upload.target).status == 404)
        #expect(try files(in: folder).isEmpty)
        #expect(try await put(hub, upload.target, text, [("If-None-Match", "*")]).status == 201)
        let second = try await put(hub, upload.target, "other", [("If-None-Match", "*")])
        #expect(second.status == 409)
        #expect(second.header("x-ms-error-code") == "BlobAlreadyExists")
        #expect(try await blob(hub, .get, upload.target).text == text)
        #expect(try files(in: folder).count == 1)
      }
    }
  }

  @Test("over the quota nothing more is taken, until something is deleted")
  func quota() async throws {
    try await RESTHub.run(settings: [("files.quota_bytes", "8192")]) { hub in
      let (upload, _) = try await begin(hub)
      #expect(try await put(hub, upload.target, "one").status == 201)
      let block = upload.with("comp=block&blockid=QUFB")
      #expect(try await blob(hub, .put, block, [], [1]).status == 201)
      let full = try await put(hub, upload.target, "two")
      #expect(full.status == 403)
      #expect(full.header("x-ms-error-code") == "AccountQuotaExceeded")
      #expect(hub.metrics.page().contains("orrery_files_bytes 8192\n"))
      #expect(hub.metrics.page().contains("orrery_files_refused_total 1\n"))
      #expect(try await blob(hub, .get, upload.target).text == "one")
      #expect(try await hub.send(.delete, "/files/uploads/d1%2Fx.txt").status == 204)
      try await hub.hub.sweep()
      #expect(try await put(hub, upload.target, "two").status == 201)
    }
  }

  @Test("ten uploads may be open, and files may be turned off")
  func limits() async throws {
    try await RESTHub.run { hub in
      let device = try await hub.device("d1")
      var replies: [Reply] = []
      for index in 0..<11 {
        replies.append(
          try await hub.send(
            .post,
            "/devices/d1/files",
            as: device,
            json: #"{"blobName":"\#(index)"}"#
          )
        )
      }
      #expect(replies.map(\.status) == Array(repeating: 200, count: 10) + [403])
      #expect(replies.last?.errorCode == "DeviceMaximumActiveFileUploadLimitExceeded")
      #expect(try replies.last?.json()["errorCode"] == 403006)
      let first = try Upload(replies[0])
      #expect(try await complete(hub, first, as: device).errorCode == "InvalidOperation")
      #expect(try await complete(hub, first, as: device, isSuccess: false).status == 204)
    }
    try await RESTHub.run(settings: [("files.enabled", "false")]) { hub in
      let device = try await hub.device("d1")
      let reply = try await hub.send(
        .post,
        "/devices/d1/files",
        as: device,
        json: #"{"blobName":"x"}"#
      )
      #expect(reply.errorCode == "DefaultStorageEndpointNotConfigured")
      #expect(try reply.json()["errorCode"] == 400014)
    }
  }

  @Test("files last over a restart, a backup holds them, and what nothing names goes")
  func restart() async throws {
    try await RESTHub.inFolder { folder in
      var target = ""
      try await RESTHub.run(in: folder) { hub in
        let (upload, _) = try await begin(hub)
        target = upload.target
        #expect(try await put(hub, target, "kept").status == 201)
        let backup = try await hub.send(
          .post,
          "/admin/backup",
          json: #"{"path":"\#(folder)-copy"}"#
        )
        #expect(backup.status == 200, "\(backup)")
        let copied = try Backup.verify(folder + "-copy")
        try FileManager.default.removeItem(atPath: folder + "-copy")
        #expect(copied.contains { $0.hasPrefix("files/") })
        #expect(copied.contains("storage.key"))
      }
      let stray = folder + "/files/" + String(repeating: "0", count: 32)
      try PrivateFile.replace(stray, with: [1])
      try await RESTHub.run(in: folder) { hub in
        #expect(try await blob(hub, .get, target).text == "kept")
        try await hub.hub.sweep()
        #expect(!PrivateFile.exists(stray))
        #expect(try await blob(hub, .get, target).text == "kept")
      }
    }
  }

  @Test("URLs for containers beside uploads take the right to write the registry")
  func signatures() async throws {
    try await RESTHub.run { hub in
      func sign(_ body: String, as policy: String) async throws -> Reply {
        try await hub.send(.post, "/files/signatures", as: .policy(policy), json: body)
      }
      let export = #"{"containerName":"exports","permissions":"rwl"}"#
      #expect(try await sign(export, as: "service").status == 401)
      let url = try #require(
        try await sign(export, as: "iothubowner").json()["url"]?.stringValue
      )
      let parts = url.dropFirst("https://hub.test".count).split(separator: "?")
      #expect(try await put(hub, "\(parts[0])/a%20b?\(parts[1])", "x").status == 201)
      let list = try await blob(hub, .get, "\(parts[0])?restype=container&comp=list&\(parts[1])")
      #expect(list.text.contains("<Name>a b</Name>"), "\(list)")
      #expect(
        try await hub.send(.get, "/files?container=exports", as: .policy("service")).status == 401
      )
      for body in [
        #"{"permissions":"rx"}"#, #"{"permissions":""}"#, #"{"permissions":"r","expirySeconds":0}"#,
        #"{"permissions":"r","containerName":"A"}"#, #"{"permissions":"r","blobName":"a//b"}"#,
      ] {
        #expect(try await sign(body, as: "iothubowner").status == 400, "\(body)")
      }
      #expect(try await sign(#"{"permissions":"r"}"#, as: "service").status == 200)
    }
  }
}
