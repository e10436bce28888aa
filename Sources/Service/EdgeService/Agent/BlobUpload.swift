import AsyncHTTPClient
import Containers
import HubContract
import NIOCore
import NIOHTTP1
import Platform

/// Puts files below a container's URL with its signature (edge contract section 3.8).
struct BlobUpload: Sendable {
  let clients: HostClients

  /// What a block of an append blob has at most, in bytes.
  private static let portion = 4 << 20
  /// Seconds for one request: at 4 MiB in ten minutes a link of 60 kbit/s is fast enough.
  private static let seconds: Int64 = 600
  /// How often, and after which pauses in seconds, an upload is tried again.
  private static let pauses: [Double] = [5, 10, 20]

  /// An upload that came to nothing; the signature is in no text.
  struct Fault: Error, CustomStringConvertible {
    let description: String
    /// Whether another attempt may go better.
    let isPassing: Bool
  }

  /// How a blob comes about.
  enum Kind: String {
    /// At once.
    case block = "BlockBlob"
    /// Piece by piece.
    case append = "AppendBlob"
  }

  /// Uploads `bytes` as the blob `name` below `container`.
  func upload(
    _ bytes: [UInt8],
    _ kind: Kind,
    as name: String,
    to container: String
  ) async throws {
    var pauses = Self.pauses[...]
    while true {
      do {
        return try await attempt(bytes, kind, name, container)
      } catch let fault as Fault {
        guard fault.isPassing, let pause = pauses.popFirst() else { throw fault }
        try await Pause.sleep(for: .seconds(pause))
      }
    }
  }

  private func attempt(
    _ bytes: [UInt8],
    _ kind: Kind,
    _ name: String,
    _ container: String
  ) async throws {
    let url = Self.url(of: name, in: container)
    let type = ("x-ms-blob-type", kind.rawValue)
    guard kind == .append else { return try await put(url, bytes, [type]) }
    // Makes it anew: what an attempt before has left is gone.
    try await put(url, [], [type])
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

  /// Host and port of a URL.
  private static func host(_ url: String) -> String {
    let parts = url.split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false)
    return parts.count > 2 ? String(parts[2]) : ""
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
      response = try await clients.client(for: Self.host(url))
        .execute(request, timeout: .seconds(Self.seconds))
      _ = try? await response.body.collect(upTo: 1 << 20)
    } catch is CancellationError {
      throw CancellationError()
    } catch let error as HTTPClientError {
      throw Fault(
        description: "The storage cannot be reached: \(error.shortDescription).",
        isPassing: error != .invalidURL && error != .emptyHost && error != .emptyScheme
      )
    } catch {
      throw Fault(description: "The storage cannot be reached: \(error)", isPassing: true)
    }
    let status = Int(response.status.code)
    guard (200..<300).contains(status) else {
      let code = response.headers.first(name: "x-ms-error-code").map { ", \($0.prefix(100))" }
      throw Fault(
        description: "The storage answers \(status)\(code ?? "").",
        isPassing: status >= 500 || status == 408 || status == 429
      )
    }
  }
}
