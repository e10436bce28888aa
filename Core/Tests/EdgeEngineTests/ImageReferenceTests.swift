import EdgeEngine
import Testing

@Suite("Names of images (edge contract 2.5)")
struct ImageReferenceTests {
  private static let digest = "sha256:" + String(repeating: "0a", count: 32)

  @Test("parts and defaults")
  func parts() throws {
    let digest = Self.digest
    let rows: [(String, String?, String, String?, String?, String)] = [
      ("plain", nil, "plain", "latest", nil, "plain:latest"),
      ("a/b-c_d__e.f--g:1.0", nil, "a/b-c_d__e.f--g", "1.0", nil, "a/b-c_d__e.f--g:1.0"),
      ("registry.example/a:b", "registry.example", "a", "b", nil, "registry.example/a:b"),
      ("localhost/a", "localhost", "a", "latest", nil, "localhost/a:latest"),
      ("127.0.0.1:5000/a/b", "127.0.0.1:5000", "a/b", "latest", nil, "127.0.0.1:5000/a/b:latest"),
      ("[::1]:5000/a", "[::1]:5000", "a", "latest", nil, "[::1]:5000/a:latest"),
      ("a@\(digest)", nil, "a", nil, digest, "a@\(digest)"),
      ("r.io/a:t@\(digest)", "r.io", "a", "t", digest, "r.io/a:t@\(digest)"),
      ("$upstream:443/a/b:1", "$upstream:443", "a/b", "1", nil, "$upstream:443/a/b:1"),
      ("$UPSTREAM/a", "$UPSTREAM", "a", "latest", nil, "$UPSTREAM/a:latest"),
      ("Host/a", "Host", "a", "latest", nil, "Host/a:latest"),
      ("oci:/srv/A", nil, "oci:/srv/A", "latest", nil, "oci:/srv/A:latest"),
      ("oci:app", nil, "oci", "app", nil, "oci:app"),
      ("oci:/app:2", nil, "oci:/app", "2", nil, "oci:/app:2"),
      ("oci:/app@\(digest)", nil, "oci:/app", nil, digest, "oci:/app@\(digest)"),
    ]
    for (text, registry, repository, tag, digest, whole) in rows {
      let image = try #require(ImageReference(text), "\(text)")
      #expect(image.registry == registry, "\(text)")
      #expect(image.repository == repository, "\(text)")
      #expect(image.tag == tag, "\(text)")
      #expect(image.digest == digest, "\(text)")
      #expect(image.description == whole, "\(text)")
    }
  }

  @Test("names that are none")
  func refused() {
    let rows = [
      "", " ", "a b", "A", "a/B", "/a", "a/", "a//b", ":1", "a:", "a:b c", "a:-b", "a:.b", "-a",
      "a-",
      "a._b", "a..b", "a___b", "a@", "a@sha256", "a@sha256:", "a@sha256:zz",
      "a@sha256:\(String(repeating: "g", count: 64))",
      "r.io:/a", "r.io:x/a", "r.io:70000/a", "r..io/a", "-r.io/a", "$other/a", "$upstreams/a",
      "$upstream",
      "oci:", "oci:/", "oci:/a/", "oci:/a//b", "oci:/a/../b", "oci:/a b", "oci:/a:b:c",
      "r.io/", "http://r.io/a", "é", "a\n", "a:\(String(repeating: "t", count: 129))",
      String(repeating: "a", count: 256),
    ]
    for text in rows { #expect(ImageReference(text) == nil, "\(text)") }
  }

  @Test("a folder is in no registry")
  func folders() throws {
    let image = try #require(ImageReference("oci:/srv/app:1"))
    #expect(image.layoutPath == "/srv/app")
    #expect(image.canonicalName == "oci:/srv/app")
    #expect(image.pinned(to: Self.digest).description == "oci:/srv/app@\(Self.digest)")
    #expect(image.resolved(parentHostName: nil) == image)
    #expect(ImageReference("r.io/app")?.layoutPath == nil)
  }

  @Test("$upstream is the parent's host name")
  func upstream() throws {
    let image = try #require(ImageReference("$upstream:443/a:1"))
    #expect(image.resolved(parentHostName: "parent.local")?.description == "parent.local:443/a:1")
    #expect(image.resolved(parentHostName: nil) == nil)
    let other = try #require(ImageReference("r.io/a:1"))
    #expect(other.resolved(parentHostName: nil) == other)
    #expect(Upstream.replaced(in: "$upstream/blobs", by: "p") == "p/blobs")
    #expect(Upstream.replaced(in: "$upstreamer", by: "p") == "$upstreamer")
    #expect(Upstream.replaced(in: "$upstream", by: nil) == nil)
  }

  @Test("a name in full, and pinned to a digest")
  func canonical() throws {
    let rows = [
      ("a", "docker.io/library/a"), ("b/a:1", "docker.io/b/a"),
      ("docker.io/a", "docker.io/library/a"),
      ("R.io:5000/b/a", "r.io:5000/b/a"),
    ]
    for (text, name) in rows {
      #expect(try #require(ImageReference(text)).canonicalName == name)
    }
    let pinned = try #require(ImageReference("r.io/a:1")).pinned(to: Self.digest)
    #expect(pinned.description == "r.io/a@\(Self.digest)")
    #expect(ImageReference.isSHA256(Self.digest))
    for bad in ["sha256:0a", "sha512:" + Self.digest.dropFirst(7), Self.digest.uppercased()] {
      #expect(!ImageReference.isSHA256(bad))
    }
  }
}
