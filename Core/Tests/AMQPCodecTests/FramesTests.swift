import AMQPCodec
import ByteIO
import Testing

private let header = "414d515000010000"

private func frame(_ body: String) -> [UInt8] {
  let body = bytes(body)
  return [0, 0, 0, UInt8(body.count + 8), 2, 0, 0, 0] + body
}

/// A performative as hex: a short list of `count` fields.
private func list(_ descriptor: String, _ count: UInt8, _ fields: String) -> String {
  let fields = bytes(fields)
  return descriptor + " c0 " + Hex.encode([UInt8(fields.count + 1), count] + fields)
}

@Suite("Frames on their way in (AMQP 1.0 part 2 §2.3)")
struct InboundFramesTests {
  /// An open with container `c`, host `h` and this max-frame-size.
  private func open(_ size: String) -> [UInt8] {
    frame(list("005310", size.isEmpty ? 2 : 3, "a10163 a10168" + size))
  }

  private func pieces(
    _ data: [UInt8],
    limit: Int = 65_536
  ) -> (given: [UInt8], last: InboundFrames.Piece, attaches: [String]) {
    var frames = InboundFrames(frameLimit: limit)
    var position = 0
    var given: [UInt8] = []
    var attaches: [String] = []
    while true {
      let piece = frames.next(data.span, from: &position)
      switch piece {
      case .wait, .fault: return (given, piece, attaches)
      case .bytes(let range): given += data[range]
      case .open(let bytes, _): given += bytes
      case .attach(let bytes, let name, let capabilities):
        given += bytes
        attaches.append(name + ":" + capabilities.joined(separator: ","))
      }
    }
  }

  @Test("the peer's frame limit is lowered in its open by what completion may add")
  func lowersLimit() {
    let data = bytes(header) + open("70 00010000")
    let result = pieces(data)
    #expect(result.given.count == data.count)
    #expect(Hex.encode(result.given.suffix(5)) == "700000fff0")
    #expect(result.last == .wait)
  }

  @Test("a small or missing limit stays as it is", arguments: ["70 00000200", "40", ""])
  func keepsLimit(size: String) {
    let data = bytes(header) + open(size)
    #expect(pieces(data).given == data)
  }

  static let foreign: [[UInt8]] = [
    frame("40"), frame("005319 45"), frame("005314 40"), frame("005314"),
    [0, 0, 0, 8, 2, 1, 0, 0], [0, 0, 0, 8, 1, 0, 0, 0], [0, 0, 0, 8, 3, 0, 0, 0],
  ]

  @Test("what is no performative, and a second open, end the stream", arguments: foreign.indices)
  func refusesForeign(index: Int) {
    let result = pieces(bytes(header) + open("40") + Self.foreign[index])
    guard case .fault = result.last else {
      Issue.record("\(result)")
      return
    }
    #expect(pieces(bytes(header) + open("40") + open("40")).last == .fault(.unexpectedFrame))
  }

  @Test(
    "an attach tells its name and desired capabilities",
    arguments: ["00 53 12", "00 80 0000000000000012"]
  )
  func attach(descriptor: String) {
    let nulls = String(repeating: "40", count: 9)
    let body = list(descriptor, 13, "a1 03 616263 43 41 \(nulls) a3 01 78")
    let bare = list(descriptor, 3, "a1 03 616263 43 41")
    let begun = bytes(header) + frame("005311 c0 05 04 40434343")
    #expect(pieces(begun + frame(body)).attaches == ["abc:x"])
    #expect(pieces(begun + frame(bare)).attaches == ["abc:"])
  }

  @Test("a delivery begins with its ID and tag; only what goes on with one may leave them out")
  func deliveryIDs() {
    let begin = frame(list("005311", 4, "40 43 43 43"))
    let end = frame("005317 45")
    let attach = frame(list("005312", 3, "a1 01 61 43 42"))
    let detach = frame(list("005316", 2, "43 41"))
    let begun = bytes(header) + open("40") + begin + attach
    let first = "43 43 a0 01 61"
    let bare = frame("005314 c0 02 01 43")
    let whole = frame(list("005314", 3, first))
    let part = frame(list("005314", 6, "\(first) 40 40 41"))
    let aborted = frame(list("005314", 10, "\(first) 40 40 41 40 40 40 41"))
    let sound = [
      whole, whole + whole, part + bare, part + bare + whole, part + part + bare,
      part + detach + attach + whole, part + end + begin + attach + whole,
    ]
    for stream in sound {
      if case .fault(let fault) = pieces(begun + stream).last { Issue.record("\(fault)") }
    }
    let broken = [
      bare, frame("005314 45"), frame("005314 c0 03 02 43 40"), frame("005314 c0 04 03 43 43 40"),
      whole + bare, part + bare + bare, aborted + bare, part + detach + attach + bare,
      part + end + begin + attach + bare,
    ]
    for (index, stream) in broken.enumerated() {
      #expect(pieces(begun + stream).last == .fault(.unexpectedType), "stream \(index)")
    }
  }

  @Test("channels and handles are begun once, used after that, and free when they end")
  func endpoints() {
    let begin = frame(list("005311", 4, "40 43 43 43"))
    let end = frame("005317 45")
    let sender = frame(list("005312", 3, "a1 01 61 43 42"))
    let receiver = frame(list("005312", 3, "a1 01 61 43 41"))
    let detach = frame(list("005316", 2, "43 41"))
    let transfer = frame(list("005314", 3, "43 43 a0 01 61"))
    let begun = bytes(header) + open("40")
    let rows: [(stream: [UInt8], last: InboundFrames.Piece)] = [
      (begin + end + begin + sender + detach + receiver + detach + end, .wait),
      (begin + begin, .fault(.endpointInUse)),
      (end, .fault(.unknownEndpoint)),
      (sender, .fault(.unknownEndpoint)),
      (begin + sender + receiver, .fault(.endpointInUse)),
      (begin + detach, .fault(.unknownEndpoint)),
      (begin + sender + detach + detach, .fault(.unknownEndpoint)),
      (begin + transfer, .fault(.unknownEndpoint)),
      (begin + sender + detach + transfer, .fault(.unknownEndpoint)),
      (begin + sender + end + begin + transfer, .fault(.unknownEndpoint)),
      // The engine would take the transfer for one that it sends itself.
      (begin + receiver + transfer, .fault(.unexpectedFrame)),
      (begin + frame(list("005312", 3, "a1 01 61 70 80000000 42")), .fault(.unknownEndpoint)),
      (begin + frame(list("005312", 3, "a1 01 61 70 7fffffff 42")), .wait),
      (begin + frame(list("005312", 2, "a1 01 61 43")), .fault(.unexpectedType)),
      (begin + frame(list("005312", 3, "a1 01 61 40 41")), .fault(.unexpectedType)),
      (begin + sender + frame("005316 45"), .fault(.unexpectedType)),
    ]
    for (index, row) in rows.enumerated() {
      #expect(pieces(begun + row.stream).last == row.last, "stream \(index)")
    }
  }

  @Test("bytes come out as they go in, whatever the pieces")
  func anyPieces() {
    let data =
      bytes(header) + open("40") + frame("005311 c0 05 04 40434343")
      + frame(list("005312", 3, "a1 01 61 43 42")) + frame("005314 c0 06 03 43 43 a0 01 61")
      + frame("")
    var frames = InboundFrames(frameLimit: 512)
    var (inbox, given) = ([UInt8](), [UInt8]())
    var position = 0
    for byte in data {
      inbox.append(byte)
      reading: while true {
        switch frames.next(inbox.span, from: &position) {
        case .wait: break reading
        case .bytes(let range): given += inbox[range]
        case .open(let bytes, _), .attach(let bytes, _, _): given += bytes
        case .fault(let fault):
          Issue.record("\(fault)")
          return
        }
      }
    }
    #expect(given == data)
  }

  @Test("a frame is refused at its length")
  func lengths() {
    #expect(pieces(bytes(header + "00000007")).last == .fault(.frameSize(7)))
    #expect(pieces(bytes(header + "00000201"), limit: 512).last == .fault(.frameSize(513)))
  }

  @Test("an open or attach that can't be read ends the stream")
  func malformed() {
    #expect(pieces(bytes(header) + frame("005310 c0 05 02 a101")).last != .wait)
    #expect(pieces(bytes(header) + frame("005312 45")).last == .fault(.unexpectedType))
  }
}

@Suite("Frames on their way out (contract §8.5)")
struct OutboundFramesTests {
  private func completed(_ data: [UInt8], piece: Int, transfers: Bool = true) -> [UInt8] {
    var frames = OutboundFrames()
    frames.completesTransfers = transfers
    var sink = ByteWriter()
    var position = 0
    while position < data.count {
      let end = min(position + piece, data.count)
      frames.complete(data.span.extracting(position..<end), to: &sink)
      position = end
    }
    return sink.bytes
  }

  /// A transfer of four fields with a payload, as the engine writes it.
  private let transfer = frame(list("005314", 4, "43 43 a0 03 616263 43") + "68656c6c6f")
  private let whole = frame(
    list("005314", 11, "43 43 a0 03 616263 43 40404040404040") + "68656c6c6f"
  )

  @Test(
    "begin gets eight fields, transfer eleven, in front of the payload",
    arguments: [1, 3, 7, 999]
  )
  func completes(piece: Int) {
    let begin = frame("005311 c0 05 04 43434343")
    let data = bytes(header) + begin + transfer
    let expected = bytes(header) + frame("005311 c0 0d 08 43434343 70ffffffff 404040") + whole
    #expect(completed(data, piece: piece) == expected)
  }

  @Test("complete, empty, and foreign frames stay as they are")
  func keeps() {
    for same in [
      whole, frame(""), frame("005318 45"), frame("005311 d0 00000005 00000001 43"),
      frame("005399 c0 02 01 40"), frame("005312 c0 0f 0e 4040404040404040404040404040"),
    ] {
      #expect(completed(bytes(header) + same, piece: 999) == bytes(header) + same)
    }
  }

  @Test("transfers stay short for a peer with small frames")
  func smallFrames() {
    let data = bytes(header) + transfer
    #expect(completed(data, piece: 999, transfers: false) == data)
  }
}
