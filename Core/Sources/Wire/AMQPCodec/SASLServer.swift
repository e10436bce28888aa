internal import ByteIO

/// The server's side of the SASL layer (AMQP 1.0 part 5 §5.3).
///
/// Governs the stream up to the client's `AMQP 0 1 0 0`. A client that begins with that header does
/// without SASL, as some do that present a certificate. Who a client is, is not decided here.
///
/// States: header → beginning → (answer →) judging → done; any refusal ends in `failed`.
public struct SASLServer: ~Copyable, Sendable {
  /// What the driver does next.
  public enum Action: Equatable, Sendable {
    /// Nothing before more bytes come.
    case wait
    /// Judges the client and calls `judged`.
    case authenticate(SASLInit)
    /// The AMQP layer goes on, with the byte at the position; the client used no SASL if `true`.
    case proceed(withoutSASL: Bool)
    /// Sends what there is to send, and closes.
    case close(AMQPFault)
  }

  private enum State {
    case header
    case beginning
    case answer(SASLInit)
    case judging
    case done
    case failed
  }

  private let mechanisms: [String]
  private var state = State.header
  private var outbox: [UInt8] = []

  /// Creates the layer for a new stream, with the mechanisms it offers, in order.
  public init(mechanisms: [String]) { self.mechanisms = mechanisms }

  /// Bytes to send now; they are forgotten here.
  public mutating func takeOutput() -> [UInt8] {
    defer { outbox = [] }
    return outbox
  }

  /// Takes what the client sent from `position` on, and moves it behind what was understood.
  public mutating func receive(_ bytes: Span<UInt8>, from position: inout Int) -> Action {
    while true {
      switch state {
      case .header, .done:
        guard bytes.count - position >= ProtocolHeader.byteCount else { return .wait }
        let range = position..<position + ProtocolHeader.byteCount
        switch (ProtocolHeader(bytes.extracting(range).array()), state) {
        case (.sasl, .header):
          position = range.upperBound
          outbox += ProtocolHeader.sasl.bytes
          outbox += SASLFrame.mechanisms(mechanisms).bytes
          state = .beginning
        case (.amqp, .header): return .proceed(withoutSASL: true)
        case (.amqp, .done): return .proceed(withoutSASL: false)
        default:
          // What is supported is the answer to what isn't (part 2 §2.2).
          if case .header = state { outbox += ProtocolHeader.sasl.bytes }
          return fail(.protocolHeader)
        }
      case .beginning, .answer:
        do throws(AMQPFault) {
          guard let frame = try SASLFrame.next(bytes, from: &position) else { return .wait }
          if let action = take(frame) { return action }
        } catch {
          return fail(error)
        }
      case .judging: return .wait
      case .failed: return .close(.unexpectedFrame)
      }
    }
  }

  private mutating func take(_ frame: SASLFrame) -> Action? {
    switch (state, frame) {
    case (.beginning, .begin(let begin)):
      guard mechanisms.contains(begin.mechanism) else { return refuse() }
      if begin.mechanism == "PLAIN", begin.response.isEmpty {
        outbox += SASLFrame.challenge([]).bytes
        state = .answer(begin)
        return nil
      }
      state = .judging
      return .authenticate(begin)
    case (.answer(var begin), .response(let response)):
      begin.response = response
      state = .judging
      return .authenticate(begin)
    default: return fail(.unexpectedFrame)
    }
  }

  /// The client is who it says, or not: sends the outcome.
  ///
  /// After a refusal the driver sends what there is and closes.
  public mutating func judged(isAccepted: Bool) {
    guard case .judging = state else { return }
    outbox += SASLFrame.outcome(isAccepted ? 0 : 1).bytes
    state = isAccepted ? .done : .failed
  }

  private mutating func refuse() -> Action {
    outbox += SASLFrame.outcome(1).bytes
    return fail(.unexpectedFrame)
  }

  private mutating func fail(_ fault: AMQPFault) -> Action {
    state = .failed
    return .close(fault)
  }
}
