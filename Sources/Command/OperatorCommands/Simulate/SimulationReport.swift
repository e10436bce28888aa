import HubContract
import JSONTree
import Synchronization

/// Tells what simulated devices do: line by line for a few, in numbers for many.
final class SimulationReport: Sendable {
  private struct Counts {
    var connected = 0
    var sent = 0
    var drawnSent = -1
  }

  private let printer: Printer
  private let isQuiet: Bool
  private let progress: Progress
  private let counts = Mutex(Counts())
  private let now: @Sendable () -> Timestamp

  /// Devices above which single happenings are no longer told to people.
  static let talkativeLimit = 5

  init(_ printer: Printer, deviceCount: Int, now: @escaping @Sendable () -> Timestamp) {
    self.printer = printer
    self.now = now
    isQuiet = printer.isForPeople && deviceCount > Self.talkativeLimit
    progress = Progress("messages")
  }

  /// Messages that were acknowledged so far.
  var sent: Int { counts.withLock { $0.sent } }

  /// A device is connected.
  func connected(_ deviceID: String) {
    counts.withLock { $0.connected += 1 }
    tell(deviceID, "connected")
  }

  /// A device is no longer connected.
  func disconnected(_ deviceID: String, _ reason: String) {
    counts.withLock { $0.connected -= 1 }
    tell(deviceID, "disconnected", reason)
  }

  /// The hub has a device's message.
  func sent(_ deviceID: String, _ body: [UInt8]) {
    counts.withLock { $0.sent += 1 }
    tell(deviceID, "sent", String(decoding: body.prefix(400), as: UTF8.self))
  }

  /// Anything else.
  func tell(_ deviceID: String, _ what: String, _ detail: String? = nil) {
    guard !isQuiet else { return draw() }
    guard printer.isForPeople else {
      var line: JSONObject = [
        "time": .string(now().iso8601), "device": .string(deviceID), "event": .string(what),
      ]
      if let detail { line["detail"] = .string(detail) }
      return printer.jsonLine(.object(line))
    }
    let isColored = printer.console.isOutputColored
    let fields = [
      Style.faint.applied(to: ShownTime.text(now().iso8601), if: isColored),
      Style.strong.applied(to: Cell.visible(deviceID), if: isColored), what,
      Cell.visible(detail ?? ""),
    ]
    printer.line(fields.joined(separator: "  ").trimmed)
  }

  private func draw() {
    let shown = counts.withLock { counts -> Counts? in
      // Every hundredth is often enough for the eye.
      guard counts.sent / 100 != counts.drawnSent / 100 || counts.sent < 100 else { return nil }
      counts.drawnSent = counts.sent
      return counts
    }
    guard let shown else { return }
    progress.show(shown.sent, " sent, \(shown.connected) devices connected")
  }

  /// Removes what is drawn.
  func end() { if isQuiet { progress.end() } }
}
