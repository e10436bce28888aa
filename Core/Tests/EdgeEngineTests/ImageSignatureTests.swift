import ByteIO
import EdgeEngine
import JSONTree
import Testing

@Suite("Manifests and signatures of images")
struct ImageSignatureTests {
  private static let digest = "sha256:" + String(repeating: "0a", count: 32)
  private static let other = "sha256:" + String(repeating: "0b", count: 32)
  private static let layerType = "application/vnd.dev.cosign.simplesigning.v1+json"
  private static let annotation = "dev.cosignproject.cosign/signature"

  private static func manifest(_ layers: [JSONValue]) -> [UInt8] {
    JSON.bytes([
      "schemaVersion": 2,
      "config": ["mediaType": "c", "digest": .string(digest), "size": 2],
      "layers": .array(layers),
    ])
  }

  private static func layer(
    type: String = layerType,
    size: Int64 = 200,
    signature: JSONValue = "AQID"
  ) -> JSONValue {
    [
      "mediaType": .string(type), "digest": .string(other), "size": .int(size),
      "annotations": ["dev.cosignproject.cosign/signature": signature],
    ]
  }

  private static func payload(
    type: JSONValue = "cosign container image signature",
    digest: JSONValue = .string(Self.digest),
    name: JSONValue = "registry.example:5000/team/app"
  ) -> [UInt8] {
    JSON.bytes([
      "critical": [
        "identity": ["docker-reference": name], "image": ["docker-manifest-digest": digest],
        "type": type,
      ],
      "optional": .null,
    ])
  }

  @Test("the tag of a signature is made of the digest")
  func tag() {
    #expect(
      ImageSignature.tag(of: Self.digest) == "sha256-" + String(repeating: "0a", count: 32) + ".sig"
    )
  }

  @Test("the signatures of a manifest are found, and what is none is passed over")
  func layers() throws {
    let bytes = Self.manifest([
      Self.layer(type: "application/other"), Self.layer(signature: "no base64!"),
      Self.layer(signature: 5), Self.layer(size: 1 << 20), Self.layer(),
    ])
    let layers = try ImageSignature.layers(try ImageManifest(bytes))
    #expect(layers.map(\.signature) == [[1, 2, 3]])
    #expect(layers[0].payload.digest == Self.other)
  }

  @Test("a manifest without signatures, or of several machines, is refused")
  func noSignatures() throws {
    for layers in [[], [Self.layer(type: "x")]] as [[JSONValue]] {
      let manifest = try ImageManifest(Self.manifest(layers))
      #expect(throws: ImageFault.self) { try ImageSignature.layers(manifest) }
    }
    let index = try ImageManifest(
      JSON.bytes([
        "schemaVersion": 2,
        "manifests": [
          [
            "digest": .string(Self.digest), "size": 5,
            "platform": ["os": "linux", "architecture": "arm", "variant": "v7"],
          ]
        ],
      ])
    )
    guard case .index(let entries) = index else {
      Issue.record("an index is no image")
      return
    }
    #expect(
      entries[0].platform
        == ImageManifest.Platform(os: "linux", architecture: "arm", variant: "v7")
    )
    #expect(throws: ImageFault.self) { try ImageSignature.layers(index) }
  }

  @Test("what is no manifest is refused, and says why")
  func malformed() throws {
    let rows: [(String, String)] = [
      ("", "no JSON"), ("[]", "schema version"), (#"{"schemaVersion":1}"#, "schema version"),
      (#"{"schemaVersion":2}"#, "neither config and layers"),
      (#"{"schemaVersion":2,"config":{},"layers":[]}"#, "config has no SHA-256"),
      (#"{"schemaVersion":2,"manifests":[{"digest":"sha256:zz"}]}"#, "manifest 1"),
      (#"{"schemaVersion":2,"manifests":[{"digest":"\#(Self.digest)","size":-1}]}"#, "no size"),
      (#"{"schemaVersion":2,"manifests":[{"digest":"\#(Self.digest)","size":1e99}]}"#, "no size"),
      (
        #"{"schemaVersion":2,"manifests":["# + String(repeating: "1,", count: 512) + "1]}",
        "more than 512"
      ),
    ]
    for (text, expected) in rows {
      let fault = try #require(throws: ImageFault.self) { try ImageManifest(Array(text.utf8)) }
      #expect(fault.description.contains(expected), "\(text.prefix(60)): \(fault)")
    }
    let long = [UInt8](repeating: 0x20, count: ImageManifest.byteLimit + 1)
    let fault = try #require(throws: ImageFault.self) { try ImageManifest(long) }
    #expect(fault.description.contains("too long"))
  }

  @Test("a payload is about the image, by digest and by name")
  func payload() throws {
    let good = ImageSignature(payload: Self.payload(), signature: [])
    try good.check(digest: Self.digest, repository: "team/app")
    try good.check(digest: Self.digest, repository: nil)
    let rows: [([UInt8], String)] = [
      (Self.payload(type: "atomic container signature"), "not of the type"),
      (Self.payload(digest: .string(Self.other)), "is about sha256:0b"),
      (Self.payload(digest: 5), "names no digest"),
      (Self.payload(name: "registry.example:5000/team/else"), "called"),
      (Self.payload(name: "no name at all"), "called"), (Self.payload(name: .null), "called"),
      (Array("{}".utf8), "no JSON of the"), ([0xFF], "no JSON of the"), ([], "no JSON of the"),
      (Self.payload() + [UInt8](repeating: 0x20, count: 64 << 10), "no JSON of the"),
    ]
    for (bytes, expected) in rows {
      let signature = ImageSignature(payload: bytes, signature: [])
      let fault = try #require(throws: ImageFault.self) {
        try signature.check(digest: Self.digest, repository: "team/app")
      }
      #expect(fault.description.contains(expected), "\(fault)")
    }
  }

  @Test("the longest rule that an image is below holds for it")
  func policy() throws {
    func rule(_ name: String) -> SignaturePolicy.Rule {
      SignaturePolicy.Rule(name: name, isRequired: true, keys: [name])
    }
    let policy = SignaturePolicy(
      [
        rule("registry.example"), rule("Registry.Example/team"), rule("docker.io/library"),
        rule("$upstream:5000/a"), rule("registry.example/team/app"),
      ],
      parentHostName: "parent"
    )
    let rows: [(String, String?)] = [
      ("registry.example/x", "registry.example"),
      ("registry.example/team/x:1", "Registry.Example/team"),
      ("registry.example/team/app@\(Self.digest)", "registry.example/team/app"),
      ("registry.example/teams/x", "registry.example"), ("registry.example:5000/x", nil),
      ("nginx", "docker.io/library"), ("team/nginx", nil),
      ("docker.io/nginx", "docker.io/library"), ("parent:5000/a/b", "$upstream:5000/a"),
    ]
    for (image, expected) in rows {
      let reference = try #require(ImageReference(image))
      #expect(policy.rule(for: reference)?.name == expected, "\(image)")
    }
    let all = SignaturePolicy([rule("*"), rule("registry.example")])
    #expect(try all.rule(for: #require(ImageReference("a")))?.name == "*")
    #expect(
      try all.rule(for: #require(ImageReference("registry.example/a")))?.name == "registry.example"
    )
    #expect(try SignaturePolicy().rule(for: #require(ImageReference("a"))) == nil)
  }

  @Test("what a registry asks for is read")
  func challenges() {
    let rows: [(String, RegistryChallenge?)] = [
      ("Basic realm=\"x\"", .basic), ("basic", .basic),
      (
        #"Bearer realm="https://a.example/t",service="s",scope="repository:x:pull,push""#,
        .bearer(realm: "https://a.example/t", service: "s", scope: "repository:x:pull,push")
      ),
      (
        #"bearer realm=https://a.example/t , service="a\"b""#,
        .bearer(realm: "https://a.example/t", service: "a\"b", scope: nil)
      ),
      ("Bearer", nil), ("Bearer realm", nil), ("Bearer =x", nil), (#"Bearer realm="""#, nil),
      (#"Bearer service="s""#, nil), (#"Bearer realm="a",realm="b""#, nil),
      (#"Bearer realm="a\"#, nil), ("Negotiate", nil), ("", nil),
      ("Bearer realm=" + String(repeating: "a", count: 9000), nil),
    ]
    for (header, expected) in rows {
      #expect(RegistryChallenge(header) == expected, "\(header.prefix(60))")
    }
  }
}
