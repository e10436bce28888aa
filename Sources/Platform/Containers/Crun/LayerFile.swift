import ByteIO
import CZlib
import Glibc
import Platform

/// The content of a layer that is stored as a tar file, with or without gzip, and the digests of both.
///
/// Not for several tasks at once.
final class LayerFile {
  private enum Form { case unknown, plain, gzip }

  /// Bytes that are read, and given, at once.
  private static let portion = 256 << 10

  private let path: String
  private let file: Int32
  /// In one place for good: zlib keeps its address.
  private let stream: UnsafeMutablePointer<z_stream>
  private let input: UnsafeMutablePointer<UInt8>
  private var form = Form.unknown
  /// Whether a member of a gzip file has begun, and not ended.
  private var isInside = false
  /// Whether zlib may hold back more than fitted into the last piece.
  private var isFull = false
  private(set) var left: Int64
  private var storedDigest = SHA256Digest()
  private var contentDigest = SHA256Digest()

  /// Opens the file at `path`, of whose content at most `limit` bytes are given.
  init(_ path: String, limit: Int64) throws(FileFault) {
    file = open(path, O_RDONLY | O_CLOEXEC)
    self.path = path
    left = limit
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    input = .allocate(capacity: Self.portion)
    guard file >= 0 else { throw FileFault("open", path) }
  }

  deinit {
    if form == .gzip { inflateEnd(stream) }
    stream.deallocate()
    input.deallocate()
    if file >= 0 { close(file) }
  }

  /// The digests of the file and of its content, once all of it was given.
  var digests: (stored: String, content: String) {
    (
      "sha256:" + Hex.encode(storedDigest.finalize()),
      "sha256:" + Hex.encode(contentDigest.finalize())
    )
  }

  /// The next piece of the content; none at the end.
  ///
  /// - Throws: `FileFault`, and `TarReader.Malformed` for what is no gzip, or too long.
  func next() throws -> [UInt8] {
    while true {
      if stream.pointee.avail_in == 0, !isFull {
        let count = try readPortion()
        if count == 0 {
          guard !isInside else { throw TarReader.Malformed("its compressed form ends too early") }
          return []
        }
      }
      let piece = form == .gzip ? try inflatePiece() : takePiece()
      guard !piece.isEmpty else { continue }
      left -= Int64(piece.count)
      guard left >= 0 else { throw TarReader.Malformed("it is larger than is allowed") }
      piece.withUnsafeBytes { contentDigest.update($0) }
      return piece
    }
  }

  private func readPortion() throws -> Int {
    var count = read(file, input, Self.portion)
    while count < 0, errno == EINTR { count = read(file, input, Self.portion) }
    guard count >= 0 else { throw FileFault("read", path) }
    storedDigest.update(UnsafeRawBufferPointer(start: input, count: count))
    stream.pointee.next_in = input
    stream.pointee.avail_in = UInt32(count)
    if form == .unknown, count > 0 { try begin(count) }
    return count
  }

  private func begin(_ count: Int) throws {
    let magic = (0..<min(count, 4)).map { input[$0] }
    guard magic != [0x28, 0xB5, 0x2F, 0xFD] else {
      throw TarReader.Malformed("it is compressed with zstd; build the image with gzip")
    }
    guard magic.starts(with: [0x1F, 0x8B]) else {
      form = .plain
      return
    }
    guard czlib_begin(stream) == Z_OK else {
      throw TarReader.Malformed("there is no memory to inflate it")
    }
    form = .gzip
  }

  private func takePiece() -> [UInt8] {
    defer { stream.pointee.avail_in = 0 }
    return Array(UnsafeBufferPointer(start: input, count: Int(stream.pointee.avail_in)))
  }

  private func inflatePiece() throws -> [UInt8] {
    var result = Z_OK
    let piece = [UInt8](unsafeUninitializedCapacity: Self.portion) { buffer, count in
      stream.pointee.next_out = buffer.baseAddress
      stream.pointee.avail_out = UInt32(Self.portion)
      result = inflate(stream, Z_NO_FLUSH)
      count = Self.portion - Int(stream.pointee.avail_out)
    }
    isFull = result != Z_STREAM_END && stream.pointee.avail_out == 0
    switch result {
    case Z_STREAM_END:
      // A file may be several, one behind the other.
      isInside = false
      inflateReset(stream)
    case Z_OK, Z_BUF_ERROR: isInside = true
    default: throw TarReader.Malformed("its compressed form is damaged")
    }
    return piece
  }
}
