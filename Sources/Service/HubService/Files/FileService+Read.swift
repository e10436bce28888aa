import HubContract
import HubEngine
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Platform

/// A blob whose bytes can be read, as of one moment.
struct ReadableBlob: Sendable {
  let record: BlobRecord
  /// The parts of the content; those at the beginning are open, so that they last.
  fileprivate let parts: [(part: BlobPart, file: ReadableFile?)]
}

extension FileService {
  /// Parts that are opened at once; a longer blob's later ones go if it is replaced meanwhile.
  private static let openParts = 16
  private static let pieceBytes: Int64 = 256 << 10

  /// The blob called `key`, nil if there is none.
  func content(of key: BlobKey) async throws -> ReadableBlob? {
    var triesLeft = 3
    while true {
      guard let found = try await store.read({ view throws(HubError) in try view.blob(key) }) else {
        return nil
      }
      do {
        let parts = try await NIOThreadPool.singleton.runIfActive { [self] in
          try found.parts.enumerated().map { index, part in
            (part: part, file: try index < Self.openParts ? open(part) : nil)
          }
        }
        return ReadableBlob(record: found.record, parts: parts)
      } catch let fault as FileFault {
        // Replaced between the look-up and here: the next look finds the new one.
        triesLeft -= 1
        guard fault.isMissing, triesLeft > 0 else {
          logger.error("file not read", metadata: ["error": "\(fault)"])
          throw BlobRefusal(500, "InternalError", "The hub's disk failed; its log says more.")
        }
      }
    }
  }

  /// A response's body with `range` of the blob, read as the client takes it.
  func body(_ blob: ReadableBlob, _ range: Range<Int64>) -> ResponseBody {
    ResponseBody(contentLength: Int(range.upperBound - range.lowerBound)) { [self] writer in
      for piece in pieces(of: blob, range) {
        try await writer.write(ByteBuffer(bytes: try await read(piece)))
      }
      try await writer.finish(nil)
    }
  }

  /// Some bytes of one part of a blob.
  struct Piece: Sendable {
    fileprivate let part: BlobPart
    fileprivate let file: ReadableFile?
    fileprivate let offset: Int64
    fileprivate let count: Int
  }

  /// The bytes of a piece.
  func read(_ piece: Piece) async throws -> [UInt8] {
    try await NIOThreadPool.singleton.runIfActive { [self] in
      try (piece.file ?? open(piece.part)).read(at: piece.offset, count: piece.count)
    }
  }

  /// The pieces that make `range`, each within one part.
  func pieces(of blob: ReadableBlob, _ range: Range<Int64>) -> [Piece] {
    var pieces: [Piece] = []
    var partStart: Int64 = 0
    for (part, file) in blob.parts {
      let partEnd = partStart + part.byteCount
      var start = max(partStart, range.lowerBound)
      let end = min(partEnd, range.upperBound)
      while start < end {
        let count = min(end - start, Self.pieceBytes)
        pieces.append(
          Piece(part: part, file: file, offset: start - partStart, count: Int(count))
        )
        start += count
      }
      partStart = partEnd
    }
    return pieces
  }
}
