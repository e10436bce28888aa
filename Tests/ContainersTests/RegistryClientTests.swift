import ByteIO
import Containers
import EdgeEngine
import Platform
import Testing

@Suite("Reading from registries", .timeLimit(.minutes(1)))
struct RegistryClientTests {
  private static let manifest =
    #"{"schemaVersion":2,"config":{"digest":"\#(digest("{}"))","size":2},"layers":[]}"#

  private static func digest(_ text: String) -> String {
    "sha256:" + Hex.encode(Hashing.sha256(Array(text.utf8)))
  }

  private func withClient(
    _ answer: @escaping @Sendable (FakeEngine.Request) -> FakeEngine.Answer?,
    _ body: (RegistryClient, ImageReference, FakeEngine) async throws -> Void
  ) async throws {
    try await FakeEngine.listen(answer) { address, server in
      let clients = HostClients()
      do {
        try await body(
          RegistryClient(clients, plainHosts: [address]),
          try #require(ImageReference("\(address)/team/app:1")),
          server
        )
      } catch {
        await clients.close()
        throw error
      }
      await clients.close()
    }
  }

  private func descriptor(_ manifest: String) throws -> ImageManifest.Descriptor {
    guard case .image(let config, _) = try ImageManifest(Array(manifest.utf8)) else {
      throw CancellationError()
    }
    return config
  }

  @Test("a manifest and a blob are read; what is not there is nil")
  func reading() async throws {
    try await withClient { request in
      switch request.path {
      case "/v2/team/app/manifests/1": .text(200, Self.manifest)
      case "/v2/team/app/blobs/\(Self.digest("{}"))": .text(200, "{}")
      default: nil
      }
    } _: { client, image, _ in
      let found = try #require(try await client.manifest(of: image, at: "1", nil))
      #expect(found.digest == Self.digest(Self.manifest))
      let config = try descriptor(Self.manifest)
      #expect(try await client.blob(config, of: image, nil, limit: 2) == Array("{}".utf8))
      #expect(try await client.manifest(of: image, at: "2", nil) == nil)
      let fault = await refusal { _ = try await client.blob(config, of: image, nil, limit: 1) }
      #expect(fault?.description.contains("at most 1") == true)
    }
  }

  @Test("what is not what its digest says is refused, and so is what is too long")
  func forged() async throws {
    try await withClient { request in
      request.path.contains("blobs")
        ? .text(200, request.path.hasSuffix(Self.digest("{}")) ? "[]" : "longer than it says")
        : .parts(200, Array(repeating: [UInt8](repeating: 0x20, count: 1 << 20), count: 5))
    } _: { client, image, _ in
      let config = try descriptor(Self.manifest)
      var fault = await refusal { _ = try await client.blob(config, of: image, nil, limit: 10) }
      #expect(fault?.description.contains("is something else") == true)
      let long = try descriptor(
        Self.manifest.replacing(Self.digest("{}"), with: Self.digest("x"))
      )
      fault = await refusal { _ = try await client.blob(long, of: image, nil, limit: 10) }
      #expect(fault?.description.contains("longer than 10 bytes") == true)
      fault = await refusal { _ = try await client.manifest(of: image, at: "1", nil) }
      #expect(fault?.description.contains("longer than") == true)
    }
    try await withClient { _ in
      .text(200, Self.manifest)
    } _: { client, image, _ in
      let other = Self.digest("other")
      let fault = await refusal { _ = try await client.manifest(of: image, at: other, nil) }
      #expect(fault?.description.contains("has the digest") == true)
    }
  }

  @Test("user and password are given where they are asked for, and asked for in words")
  func basic() async throws {
    try await withClient { request in
      let known = "Basic " + Base64.encode(Array("me:secret".utf8))
      return request.headers.contains { $0.name == "Authorization" && $0.value == known }
        ? .text(200, Self.manifest) : .header(401, "WWW-Authenticate", #"Basic realm="x""#)
    } _: { client, image, server in
      let own = RegistryCredential(name: "r", address: "a", username: "me", password: "secret")
      _ = try #require(try await client.manifest(of: image, at: "1", own))
      _ = try #require(try await client.manifest(of: image, at: "1", own))
      // Remembered after the first time.
      #expect(server.requests.count == 3)
    }
    try await withClient { _ in
      .header(401, "WWW-Authenticate", #"Basic realm="x""#)
    } _: {
      client,
      image,
      _ in
      let fault = await refusal { _ = try await client.manifest(of: image, at: "1", nil) }
      #expect(fault?.code == .refused)
      #expect(fault?.description.contains("registryCredentials") == true)
    }
  }

  @Test("a proof that is not known is told; a token is fetched by TLS unless the registry has none")
  func challenges() async throws {
    let rows = [
      ("Negotiate", "not known here"), (#"Bearer realm="ftp://x/t""#, "without TLS"),
    ]
    for (header, expected) in rows {
      try await withClient { _ in
        .header(401, "WWW-Authenticate", header)
      } _: { client, image, _ in
        let fault = await refusal { _ = try await client.manifest(of: image, at: "1", nil) }
        #expect(fault?.description.contains(expected) == true, "\(header)")
      }
    }
  }

  @Test("an answer that is no token, and a registry that is not there, are told")
  func faults() async throws {
    try await withClient { request in
      if request.path == "/token" { return .text(200, #"{"token":"two\nlines"}"#) }
      let host = request.headers.first { $0.name.lowercased() == "host" }?.value ?? ""
      return .header(401, "WWW-Authenticate", #"Bearer realm="http://\#(host)/token""#)
    } _: { client, image, _ in
      let fault = await refusal { _ = try await client.manifest(of: image, at: "1", nil) }
      #expect(fault?.description.contains("holds no token") == true)
    }
    let clients = HostClients()
    let nowhere = try #require(ImageReference("127.0.0.1:1/a"))
    let fault = await refusal {
      _ = try await RegistryClient(clients).manifest(of: nowhere, at: "1", nil)
    }
    #expect(fault?.code == .unreachable)
    await clients.close()
  }

  private func refusal(_ body: () async throws -> Void) async -> RuntimeFault? {
    do {
      try await body()
    } catch {
      return error as? RuntimeFault
    }
    return nil
  }
}
