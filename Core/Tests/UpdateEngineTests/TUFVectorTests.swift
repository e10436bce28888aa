import ByteIO
import Foundation
import JSONTree
import Testing
import UpdateEngine

/// Repositories that python-tuf made, with what its client says of each; see `generate.py` beside the
/// file.
///
/// Signatures come with the digest of the bytes they are over. One counts as good if its key, its bytes
/// and that digest stand together in the list: so our canonical form is checked to the byte.
private final class Ledger: TUFCrypto {
  private var good: Set<String> = []
  private var digests: [[UInt8]: [UInt8]] = [:]

  init(_ json: JSONValue) {
    for entry in json["signatures"]?.arrayValue ?? [] {
      let parts = ["public", "sig", "sha256"].map { entry[$0]?.stringValue ?? "" }
      good.insert(parts.joined(separator: "|"))
    }
  }

  func isSigned(_ message: [UInt8], by key: TUFKey, _ signature: [UInt8]) -> Bool {
    let digest = Hex.encode(digest(message, .sha256))
    return good.contains([key.value, Hex.encode(signature), digest].joined(separator: "|"))
  }

  func digest(_ bytes: [UInt8], _ hash: TUFHash) -> [UInt8] {
    precondition(hash == .sha256, "the vectors' files are hashed by SHA-256 alone")
    if let known = digests[bytes] { return known }
    let digest = TestSHA256.digest(bytes)
    digests[bytes] = digest
    return digest
  }
}

@Suite("Repositories made by python-tuf")
struct TUFVectorTests {
  private static func load() throws -> JSONValue {
    let url = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../Vectors/tuf/repository.json")
    return try JSON.parse([UInt8](try Data(contentsOf: url)))
  }

  @Test("every verdict is that of python-tuf's client")
  func verdicts() throws {
    let json = try Self.load()
    let ledger = Ledger(json)
    let now = try #require(json["now"]?.int64Value)
    let texts = try #require(json["texts"]?.arrayValue).map { Array(($0.stringValue ?? "").utf8) }
    let cases = try #require(json["cases"]?.arrayValue)
    #expect(cases.count > 40)
    for entry in cases {
      let name = Comment(rawValue: entry["name"]?.stringValue ?? "")
      let root = texts[Int(try #require(entry["root"]?.int64Value))]
      var store = TUFStore()
      for step in try #require(entry["steps"]?.arrayValue) {
        let files = try #require(step["files"]?.objectValue)
        var served: [String: [UInt8]] = [:]
        for (file, index) in files { served[file] = texts[Int(index.int64Value ?? 0)] }
        let verdict = try #require(step["verdict"])
        var client = try TUFClient(
          root: store.stored["root.json"] ?? root,
          stored: store.stored,
          crypto: ledger
        )
        do throws(TUFFault) {
          let next = try store.follow(client.begin(now: now), &client, served)
          #expect(next == .current && verdict["error"] == nil, name)
        } catch {
          #expect(Self.isSame(error, verdict["error"]?.stringValue), "\(name): \(error)")
          continue
        }
        for (path, expected) in verdict["found"]?.objectValue ?? [:] {
          let place: Comment = "\(name), \(path)"
          do throws(TUFFault) {
            switch try store.follow(client.search(path), &client, served) {
            case .found(let finding):
              #expect(finding.target.length == expected["length"]?.int64Value, place)
              let hash = finding.target.hashes[.sha256].map { Hex.encode($0) }
              #expect(hash == expected["hashes"]?["sha256"]?.stringValue, place)
            case .notFound, .fetch, .current: #expect(expected.isNull, place)
            }
          } catch {
            #expect(expected["error"] != nil, "\(place): \(error)")
          }
        }
      }
    }
  }

  /// Whether a fault of ours is what python-tuf calls by this name.
  private static func isSame(_ fault: TUFFault, _ name: String?) -> Bool {
    switch fault {
    case .threshold: name == "UnsignedMetadataError"
    case .expired: name == "ExpiredMetadataError"
    case .rollback, .wrongVersion: name == "BadVersionNumberError"
    case .wrongLength, .wrongHash, .tooLong:
      name == "LengthOrHashMismatchError" || name == "DownloadLengthMismatchError"
    case .missing: name == "DownloadHTTPError"
    case .json, .repeatedSignature, .malformed: name == "DeserializationError"
    case .removedFromSnapshot, .notInSnapshot: name == "RepositoryError"
    case .notAnInteger, .specificationVersion, .keyID, .notAsked, .cannotSign: false
    }
  }

  @Test("SHA-256 of the tests (FIPS 180-4)")
  func sha256() {
    #expect(
      Hex.encode(TestSHA256.digest(Array("abc".utf8)))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
  }
}
