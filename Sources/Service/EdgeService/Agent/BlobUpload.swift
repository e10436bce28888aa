import AsyncHTTPClient
import HubContract
import NIOCore
import NIOHTTP1
import Platform

/// Puts files below a container's URL with its signature (edge contract section 3.8).
struct BlobUpload: Sendable {
  let client: HTTPClient

  /// What one request carries at most, in bytes.
  private static let portion = 4 << 20
  /// How often, and after which pauses in seconds, an upload is tried again.
  private static let pauses: [Double] = [5, 10, 20]

  /// An upload that came to nothing; the signature is in no text.
  struct Fault: Error, CustomStringConvertible {
    let description: String
  }

  /// Uploads `bytes` as the blob `name` below `container`.
  func upload(_ bytes: [UInt8], as name: String, to container: String) async throws {
    var pauses = Self.pauses[...]
    while true {
      do {
        return try await attempt(bytes, name, container)
      } catch {
        guard let pause = pauses.popFirst(), !(error is CancellationError) else { throw error }
        try await Pause.sleep(for: .seconds(pause))
      }
    }
  }

  private func attempt(_ bytes: [UInt8], _ name: String, _ container: String) async throws {
    let url = Self.url(of: name, in: container)
    guard bytes.count > Self.portion else {
      return try await put(url, bytes, [("x-ms-blob-type", "BlockBlob")])
    }
    try await put(url, [], [("x-ms-blob-type", "AppendBlob")])
    for start in stride(from: 0, to: bytes.count, by: Self.portion) {
      let part = Array(bytes[start..<min(start + Self.portion, bytes.count)])
      try await put(url + "&comp=appendblock", part, [])
    }
  }

  /// The blob's URL: its name goes between the container and the signature.
  static func url(of name: String, in container: String) -> String {
    let parts = container.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let base = parts[0].hasSuffix("/") ? parts[0].dropLast() : parts[0]
    let escaped = name.utf8.map { byte in
      // Slashes are folders in a blob's name.
      byte == UInt8(ascii: "/") || Self.isPlain(byte)
        ? String(decoding: [byte], as: UTF8.self) : "%" + Self.hex(byte)
    }
    return base + "/" + escaped.joined() + "?" + (parts.count > 1 ? String(parts[1]) : "")
  }

  private static func isPlain(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
      || [0x2D, 0x2E, 0x5F, 0x7E].contains(byte)
  }

  private static func hex(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16, uppercase: true)
    return digits.count == 1 ? "0" + digits : digits
  }

  private func put(_ url: String, _ bytes: [UInt8], _ headers: [(String, String)]) async throws {
    var request = HTTPClientRequest(url: url)
    request.method = .PUT
    request.headers.add(name: "x-ms-version", value: "2021-12-02")
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    request.body = .bytes(ByteBuffer(bytes: bytes))
    let response: HTTPClientResponse
    do {
      response = try await client.execute(request, timeout: .seconds(60))
      _ = try? await response.body.collect(upTo: 1 << 20)
    } catch let error as HTTPClientError {
      throw Fault(description: "The storage cannot be reached: \(error.shortDescription).")
    }
    guard (200..<300).contains(response.status.code) else {
      throw Fault(description: "The storage answers \(response.status.code).")
    }
  }
}
