import ByteIO
package import HubContract
import MQTT
import NIOCore
import Platform

/// Messages to the server.
extension Uplink {
  /// Children whose parts of topics are kept.
  private static let suffixLimit = 4_096

  /// Messages that can be sent now.
  package var room: Int {
    guard phase == .standing, !isDraining, let handler, handler.isWritable else { return 0 }
    return max(0, settings.window - inFlight)
  }

  /// Sends a message at QoS 1; it leaves at the latest when this turn of the loop ends.
  ///
  /// `uplinkAcknowledged` gives `delivery` back when the server has the message durably. If the
  /// connection ends before that, nothing is said of it any more.
  ///
  /// - Parameters:
  ///   - child: Whose message it is; the edge hub's own if it is `settings.identity`.
  ///   - bag: Its properties, as they stand in a topic.
  ///   - body: The message.
  ///   - id: Lets the server know a repetition.
  ///   - delivery: The owner's name for it.
  /// - Returns: Whether it is on its way.
  package func send(
    for child: IdentityKey,
    bag: Span<UInt8>,
    body: Span<UInt8>,
    id: EdgeMessageID? = nil,
    delivery: UInt64
  ) -> UplinkSending {
    guard room > 0, let handler else { return .full }
    if child != lastChild { choose(child) }
    // What may stand at the beginning and the end of a bag alone.
    let start = !bag.isEmpty && bag[0] == UInt8(ascii: "?") ? 1 : 0
    let last = bag.count - 1
    let end = last >= start && bag[last] == UInt8(ascii: "/") ? last : last + 1
    let properties = start..<Self.end(ofSenders: bag.extracting(..<end), from: start)
    // Behind what the child has written, of which the last of equal names counts.
    tail.removeAll(keepingCapacity: true)
    tail.append(contentsOf: lastSuffix)
    id?.append(to: &tail)
    let (stem, tail) = (stem, tail)
    do throws(MQTTFault) {
      let isTaken = try handler.publish(
        topic: stem.span,
        bag.extracting(properties),
        tail.span,
        payload: body,
        delivery: delivery
      )
      guard isTaken else { return .full }
    } catch {
      return .unencodable
    }
    if inFlight == 0 { lastProgress = SystemClock.now() }
    inFlight += 1
    handler.flushLater()
    return .taken
  }

  /// Where the properties end that the sender wrote, if an edge below has put its own behind them.
  ///
  /// Those are for this edge alone: were they kept, a message would grow from edge to edge, and at last
  /// be too large.
  package static func end(ofSenders bag: Span<UInt8>, from start: Int) -> Int {
    let senders = EdgeMessageID.start(in: bag, from: start)
    guard var end = senders else { return bag.count }
    for name in [moduleName, deviceName] {
      var mark = end
      repeat { mark -= 1 } while mark >= start && bag[mark] != UInt8(ascii: "&")
      guard mark >= start, bag.extracting(mark..<end).starts(with: name) else { break }
      end = mark
    }
    return end
  }

  private static let moduleName = Array("&$.cmid".utf8)
  private static let deviceName = Array("&$.cdid=".utf8)

  private func choose(_ child: IdentityKey) {
    lastChild = child
    if let known = suffixes[child] {
      lastSuffix = known
      return
    }
    var text = ""
    if child != settings.identity {
      text = "&$.cdid=\(PercentCoding.encode(child.deviceID))&$.cmid"
      if let module = child.moduleID { text += "=\(PercentCoding.encode(module))" }
    }
    lastSuffix = Array(text.utf8)
    if suffixes.count >= Self.suffixLimit { suffixes = [:] }
    suffixes[child] = lastSuffix
  }

  func tellAcknowledged() {
    lastProgress = SystemClock.now()
    var deliveries: [UInt64] = []
    swap(&deliveries, &acknowledgedNow)
    delegate?.uplinkAcknowledged(deliveries.span)
    // Its storage serves the next read.
    deliveries.removeAll(keepingCapacity: true)
    if acknowledgedNow.isEmpty { swap(&deliveries, &acknowledgedNow) }
  }

  func forgetTelemetry() {
    inFlight = 0
    acknowledgedNow.removeAll(keepingCapacity: true)
  }
}

extension Span<UInt8> {
  /// Whether the first bytes are those of `prefix`.
  fileprivate func starts(with prefix: [UInt8]) -> Bool {
    count >= prefix.count && prefix.indices.allSatisfy { self[$0] == prefix[$0] }
  }
}
