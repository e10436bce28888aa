import ByteIO
import EdgeEngine
import HubContract
import JSONTree
import Testing

@Suite("Twins at an edge (edge contract 8.1, 8.2, 9.2)")
struct TwinCacheTests {
  private let leaf = IdentityKey(deviceID: "leaf")
  private let module = IdentityKey(deviceID: "edge", moduleID: "m")

  private func at(_ seconds: UInt64) -> Instant {
    Instant(nanoseconds: 0).adding(milliseconds: seconds * 1000)
  }

  private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

  /// The actions in words; records are told apart by what they lead to.
  private func words(_ actions: [TwinAction]) -> [String] {
    actions.map { action in
      func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
      return switch action {
      case .store: "store"
      case .forget: "forget"
      case .readTwin(_, let exchange): "read #\(exchange)"
      case .sendReported(_, let exchange, let patch): "send #\(exchange) \(text(patch))"
      case .deliverDesired(_, _, let body): "deliver \(text(body))"
      case .answerTwin(_, let request, let body): "twin \(request) \(text(body))"
      case .answerReported(_, let request, let version): "204 \(request) v\(version)"
      case .refuse(_, let request, let error): "\(error.code.httpStatus) \(request)"
      case .routeChange(_, let body): "route \(text(body))"
      case .note: "note"
      }
    }
  }

  private func twin(_ desired: String, _ v: Int, _ reported: String, _ r: Int) -> [UInt8] {
    func section(_ text: String, _ version: Int) -> String {
      let inner = text.dropFirst().dropLast()
      return "{\(inner)\(inner.isEmpty ? "" : ",")\"$version\":\(version)}"
    }
    return bytes(#"{"desired":\#(section(desired, v)),"reported":\#(section(reported, r))}"#)
  }

  private func read(
    _ cache: inout TwinCache,
    _ exchange: UInt64,
    _ body: [UInt8],
    _ now: Instant
  ) -> [String] {
    words(cache.twinRead(leaf, exchange: exchange, body.span, now: now))
  }

  private func report(_ cache: inout TwinCache, _ text: String, _ now: Instant) -> [TwinAction] {
    let body = bytes(text)
    return cache.clientReports(leaf, body.span, request: 9, now: now)
  }

  private func change(
    _ cache: inout TwinCache,
    _ text: String,
    _ version: UInt64,
    _ now: Instant
  ) -> [String] {
    let body = bytes(text)
    return words(cache.desiredChanged(leaf, body.span, version: version, now: now))
  }

  @Test("a read comes from the service, else from the copy, and is empty without one")
  func reads() {
    var cache = TwinCache()
    let empty = #"{"desired":{"$version":0},"reported":{"$version":0}}"#
    #expect(words(cache.clientReads(leaf, request: 1, now: at(0))) == ["twin 1 \(empty)"])
    #expect(words(cache.linkUp(now: at(0))) == [])
    #expect(words(cache.clientReads(leaf, request: 2, now: at(1))) == ["read #1"])
    // Whoever asks meanwhile waits for the same answer.
    #expect(words(cache.clientReads(leaf, request: 3, now: at(1))) == [])
    let body = twin(#"{"a":1}"#, 4, #"{"b":2}"#, 7)
    let text = String(decoding: body, as: UTF8.self)
    #expect(read(&cache, 1, body, at(2)) == ["store", "twin 2 \(text)", "twin 3 \(text)"])
    #expect(read(&cache, 1, body, at(2)) == [])
    // No answer in time, then no link.
    #expect(words(cache.clientReads(leaf, request: 4, now: at(3))) == ["read #2"])
    #expect(words(cache.timePassed(now: at(22))) == [])
    #expect(cache.nextDeadline == at(23))
    #expect(words(cache.timePassed(now: at(23))) == ["twin 4 \(text)"])
    #expect(read(&cache, 2, body, at(24)) == [])
    #expect(words(cache.clientReads(leaf, request: 5, now: at(30))) == ["read #3"])
    #expect(words(cache.linkDown(now: at(31))) == ["twin 5 \(text)"])
    #expect(words(cache.clientReads(leaf, request: 6, now: at(32))) == ["twin 6 \(text)"])
    #expect(cache.nextDeadline == nil)
  }

  @Test("more requests than may wait are answered from the copy, and who has left is not answered")
  func readers() {
    var cache = TwinCache()
    _ = cache.linkUp(now: at(0))
    for request in 0..<16 { _ = cache.clientReads(leaf, request: UInt64(request), now: at(0)) }
    #expect(words(cache.clientReads(leaf, request: 16, now: at(0))).count == 1)
    #expect(words(cache.clientLeft(leaf, now: at(0))) == [])
    #expect(read(&cache, 1, twin("{}", 1, "{}", 1), at(1)) == ["store"])
    #expect(words(cache.clientReads(leaf, request: 17, now: at(1))) == ["read #2"])
    #expect(read(&cache, 2, bytes(#"{"desired":5}"#), at(1)).first == "note")
  }

  @Test(
    "a patch is handed on if its version is the next; else the twin is read and the difference told"
  )
  func desired() {
    var cache = TwinCache()
    _ = cache.linkUp(now: at(0))
    #expect(words(cache.clientSubscribed(leaf, now: at(0))) == ["read #1"])
    let first = #"deliver {"a":1,"b":{"c":2},"$version":4}"#
    #expect(read(&cache, 1, twin(#"{"a":1,"b":{"c":2}}"#, 4, "{}", 1), at(0)) == ["store", first])
    #expect(
      change(&cache, #"{"b":{"c":null,"d":3},"$version":5}"#, 5, at(1))
        == ["store", #"deliver {"b":{"c":null,"d":3},"$version":5}"#]
    )
    #expect(change(&cache, #"{"a":9}"#, 5, at(1)) == [])
    // Version 6 was lost.
    #expect(change(&cache, #"{"x":1}"#, 7, at(2)) == ["read #2"])
    #expect(
      read(&cache, 2, twin(#"{"b":{"d":3},"x":1}"#, 7, "{}", 1), at(2))
        == ["store", #"deliver {"x":1,"a":null,"$version":7}"#]
    )
    #expect(change(&cache, "no JSON", 8, at(3)) == ["read #3"])
    // An answer from before what is known already.
    #expect(change(&cache, #"{"y":1}"#, 8, at(3)) == ["store", #"deliver {"y":1,"$version":8}"#])
    #expect(read(&cache, 3, twin(#"{"b":{"d":3},"x":1}"#, 7, "{}", 1), at(3)) == [])
    // A twin that was made anew upstream.
    #expect(words(cache.clientReads(leaf, request: 1, now: at(4))) == ["read #4"])
    let again = read(&cache, 4, twin(#"{"z":1}"#, 1, "{}", 1), at(4))
    #expect(again[1] == #"deliver {"z":1,"b":null,"x":null,"y":null,"$version":1}"#)
  }

  @Test("a client that comes back gets what it has missed, also what it has not confirmed")
  func confirmations() throws {
    var cache = TwinCache()
    _ = cache.linkUp(now: at(0))
    _ = cache.clientSubscribed(leaf, now: at(0))
    _ = read(&cache, 1, twin(#"{"a":1}"#, 1, "{}", 1), at(0))
    cache.desiredConfirmed(leaf, version: 1)
    #expect(words(cache.clientUnsubscribed(leaf, now: at(1))) == [])
    #expect(change(&cache, #"{"a":2}"#, 2, at(1)) == ["store"])
    #expect(change(&cache, #"{"b":2}"#, 3, at(1)) == ["store"])
    #expect(
      words(cache.clientSubscribed(leaf, now: at(2)))
        == ["store", #"deliver {"a":2,"b":2,"$version":3}"#]
    )
    // Not confirmed; nor is what comes then. Whatever of it has arrived is undone.
    let patch = bytes(#"{"b":null,"c":5}"#)
    let actions = cache.desiredChanged(leaf, patch.span, version: 4, now: at(3))
    guard case .store(_, let record) = try #require(actions.first) else { return }
    var restarted = TwinCache()
    try restarted.restore(leaf, record.span)
    #expect(
      words(restarted.clientSubscribed(leaf, now: at(4)))
        == ["store", #"deliver {"a":2,"c":5,"b":null,"$version":4}"#]
    )
    restarted.desiredConfirmed(leaf, version: 4)
    _ = restarted.clientUnsubscribed(leaf, now: at(4))
    #expect(words(restarted.clientSubscribed(leaf, now: at(5))) == [])
  }

  @Test("reported patches are merged, answered once durable, and sent one in five seconds")
  func reported() {
    var cache = TwinCache()
    #expect(
      words(report(&cache, #"{"a":1,"k":{"x":1},"$version":3}"#, at(0)))
        == ["store", #"route {"a":1,"k":{"x":1}}"#, "204 9 v1"]
    )
    #expect(words(report(&cache, #"{"a":null}"#, at(1))).last == "204 9 v2")
    #expect(cache.changedCount == 1)
    #expect(words(cache.linkUp(now: at(2))) == ["store", #"send #1 {"a":null,"k":{"x":1}}"#])
    #expect(words(report(&cache, #"{"b":2}"#, at(3))).count == 3)
    // No answer: it is sent again as it was.
    #expect(words(cache.timePassed(now: at(22))) == [])
    #expect(cache.nextDeadline == at(27))
    #expect(words(cache.timePassed(now: at(27))) == [#"send #2 {"a":null,"k":{"x":1}}"#])
    #expect(words(cache.reportedAccepted(leaf, exchange: 1, version: 9, now: at(27))) == [])
    #expect(words(cache.reportedAccepted(leaf, exchange: 2, version: 9, now: at(28))) == ["store"])
    #expect(words(cache.timePassed(now: at(31))) == [])
    #expect(words(cache.timePassed(now: at(32))) == ["store", #"send #3 {"b":2}"#])
    // Refused: kept, joined with what comes, and tried again after a minute.
    let error = HubError(.argumentInvalid, "too large")
    #expect(
      words(cache.reportedRefused(leaf, exchange: 3, error, now: at(33))) == ["store", "note"]
    )
    #expect(words(report(&cache, #"{"b":null,"c":3}"#, at(40))).last == "204 9 v10")
    #expect(words(cache.timePassed(now: at(93))) == ["store", #"send #4 {"b":null,"c":3}"#])
    #expect(words(cache.linkDown(now: at(94))) == [])
    #expect(words(cache.linkUp(now: at(95))) == [])
    #expect(words(cache.timePassed(now: at(98))) == [#"send #5 {"b":null,"c":3}"#])
    #expect(words(cache.reportedAccepted(leaf, exchange: 5, version: 10, now: at(98))) == ["store"])
    #expect(cache.changedCount == 0)
    #expect(words(cache.timePassed(now: at(200))) == [])
    #expect(cache.nextDeadline == nil)
    #expect(
      String(decoding: cache.document(leaf), as: UTF8.self)
        == #"{"desired":{"$version":0},"reported":{"k":{"x":1},"c":3,"$version":10}}"#
    )
  }

  @Test("what breaks a rule is refused and changes nothing")
  func limits() {
    var cache = TwinCache()
    let deep = String(repeating: #"{"a":"#, count: 12) + "1" + String(repeating: "}", count: 12)
    let long = String(repeating: "x", count: 4097)
    let rows: [(String, Int)] = [
      ("", 400), ("{", 400), ("[]", 400), ("5", 400), (#"{"a.b":1}"#, 400), (#"{"$a":1}"#, 400),
      (#"{"a b":1}"#, 400), (#"{"":1}"#, 400), (#"{"a":[1,null]}"#, 400), (deep, 400),
      (#"{"a":4503599627370496}"#, 400), (#"{"a":"\#(long)"}"#, 400),
      (#"{"\#(String(long.prefix(1025)))":1}"#, 400),
    ]
    for (text, status) in rows {
      #expect(words(report(&cache, text, at(0))) == ["\(status) 9"], "\(text.prefix(40))")
    }
    let part = String(long.prefix(4000))
    for index in 0..<8 {
      #expect(words(report(&cache, #"{"k\#(index)":"\#(part)"}"#, at(0))).count == 3)
    }
    #expect(words(report(&cache, #"{"k8":"\#(part)"}"#, at(0))) == ["400 9"])
    #expect(words(report(&cache, #"{"k0":null,"k8":"\#(part)"}"#, at(0))).count == 3)
  }

  @Test("names that come and go while offline do not fill the disk")
  func growth() {
    for isKnown in [true, false] {
      var cache = TwinCache()
      if isKnown {
        _ = cache.linkUp(now: at(0))
        _ = cache.clientReads(leaf, request: 1, now: at(0))
        _ = read(&cache, 1, twin("{}", 1, "{}", 1), at(0))
        _ = cache.linkDown(now: at(0))
      }
      let name = String(repeating: "n", count: 1000)
      var refused = 0
      for index in 0..<150 {
        let answer = words(report(&cache, #"{"\#(name)\#(index)":1}"#, at(1))).last
        _ = report(&cache, #"{"\#(name)\#(index)":null}"#, at(1))
        if answer == "429 9" { refused += 1 }
      }
      #expect(isKnown ? refused == 0 : refused > 0)
    }
  }

  @Test("reported goes first, then desired; a whole twin unasked at most once in two minutes")
  func order() {
    var cache = TwinCache()
    _ = cache.clientSubscribed(leaf, now: at(0))
    _ = report(&cache, #"{"a":1}"#, at(0))
    #expect(words(cache.linkUp(now: at(1))) == ["store", #"send #1 {"a":1}"#])
    let accepted = words(cache.reportedAccepted(leaf, exchange: 1, version: 2, now: at(2)))
    #expect(accepted == ["store", "read #2"])
    #expect(read(&cache, 2, twin("{}", 1, #"{"a":1}"#, 2), at(3)) == ["store"])
    _ = cache.linkDown(now: at(4))
    #expect(words(cache.linkUp(now: at(5))) == [])
    #expect(cache.nextDeadline == at(123))
    #expect(words(cache.timePassed(now: at(123))) == ["read #3"])
    #expect(words(cache.twinReadFailed(leaf, exchange: 3, now: at(124))) == [])
    #expect(words(cache.timePassed(now: at(129))) == ["read #4"])
  }

  @Test("so many exchanges at once, and the others as these end")
  func exchanges() {
    var configuration = TwinCacheConfiguration()
    configuration.maximumExchanges = 2
    var cache = TwinCache(configuration)
    let keys = (0..<6).map { IdentityKey(deviceID: "d\($0)") }
    let body = bytes(#"{"a":1}"#)
    for key in keys { _ = cache.clientReports(key, body.span, request: 1, now: at(0)) }
    func sends(_ actions: [TwinAction]) -> [IdentityKey: UInt64] {
      var sends: [IdentityKey: UInt64] = [:]
      for case .sendReported(let key, let exchange, _) in actions { sends[key] = exchange }
      return sends
    }
    var open = sends(cache.linkUp(now: at(0)))
    var order: [IdentityKey] = []
    while let (key, exchange) = open.min(by: { $0.value < $1.value }) {
      #expect(open.count <= 2)
      open[key] = nil
      order.append(key)
      let actions = cache.reportedAccepted(key, exchange: exchange, version: 1, now: at(1))
      open.merge(sends(actions)) { one, _ in one }
    }
    #expect(order == keys)
    // Removed ones make room too.
    for key in keys { _ = cache.clientReports(key, body.span, request: 1, now: at(9)) }
    #expect(sends(cache.removed(keys[0], now: at(9))).count == 1)
    #expect(cache.removed(keys[0], now: at(9)) == [])
    #expect(cache.count == 5)
  }

  @Test("records are read back; broken ones are refused, wherever they are cut")
  func records() throws {
    var cache = TwinCache()
    _ = cache.linkUp(now: at(0))
    _ = cache.clientSubscribed(leaf, now: at(0))
    _ = read(&cache, 1, twin(#"{"a":1}"#, 3, #"{"r":1}"#, 5), at(0))
    _ = report(&cache, #"{"s":1}"#, at(0))
    let actions = report(&cache, #"{"s":2,"r":null}"#, at(0))
    guard case .store(_, let record) = try #require(actions.first) else { return }
    var restored = TwinCache()
    try restored.restore(leaf, record.span)
    #expect(restored.document(leaf) == cache.document(leaf))
    #expect(restored.changedCount == 1)
    for length in 0..<record.count {
      let cut = Array(record[..<length])
      #expect(throws: TwinRecordFault.self) { try restored.restore(leaf, cut.span) }
    }
    var generator = SeededGenerator(seed: 1)
    for _ in 0..<5000 {
      var broken = record
      broken[Int.random(in: 0..<broken.count, using: &generator)] ^=
        UInt8.random(in: 1...255, using: &generator)
      // Whatever it is then: it is refused, or a twin that can be written down.
      if (try? restored.restore(leaf, broken.span)) != nil { _ = restored.document(leaf) }
    }
    let faults: [(([UInt8]) -> [UInt8], TwinRecordFault)] = [
      ({ [2] + $0.dropFirst() }, .version(2)),
      ({ [1, 0x80] + $0.dropFirst(2) }, .unknownParts(0x80)),
      ({ $0 + [0] }, .trailingBytes(1)),
      ({ $0[..<26] + [0xFF, 0, 0, 0] + $0[30...] }, .textTooLong(0xFF00_0000)),
      ({ $0[..<30] + Array("[".utf8) + $0[31...] }, .noObject),
    ]
    for (spoil, fault) in faults {
      let spoiled = spoil(record)
      #expect(throws: fault) { try restored.restore(leaf, spoiled.span) }
    }
  }
}
