internal import ByteIO

/// The client's side of the SASL layer (AMQP 1.0 part 5 §5.3).
public struct SASLClient: ~Copyable, Sendable {
  /// What the driver does next.
  public enum Action: Equatable, Sendable {
    /// Nothing before more bytes come.
    case wait
    /// Authenticated: the AMQP layer goes on.
    case proceed
    /// The server does not offer the mechanism, refused the client, or sent something else.
    case close(AMQPFault)
  }

  private enum State {
    case header
    case mechanisms
    case outcome
    case done
  }

  private let begin: SASLInit
  private var state = State.header
  private var outbox: [UInt8]

  /// Creates the layer with what the client will say.
  public init(_ begin: SASLInit) {
    self.begin = begin
    outbox = ProtocolHeader.sasl.bytes
  }

  /// Bytes to send now; they are forgotten here.
  public mutating func takeOutput() -> [UInt8] {
    defer { outbox = [] }
    return outbox
  }

  /// Takes what the server sent from `position` on, and moves it behind what was understood.
  public mutating func receive(_ bytes: Span<UInt8>, from position: inout Int) -> Action {
    while true {
      switch state {
      case .header:
        guard bytes.count - position >= ProtocolHeader.byteCount else { return .wait }
        let range = position..<position + ProtocolHeader.byteCount
        guard ProtocolHeader(bytes.extracting(range).array()) == .sasl else {
          return .close(.protocolHeader)
        }
        position = range.upperBound
        state = .mechanisms
      case .mechanisms, .outcome:
        do throws(AMQPFault) {
          guard let frame = try SASLFrame.next(bytes, from: &position) else { return .wait }
          switch (state, frame) {
          case (.mechanisms, .mechanisms(let names)) where names.contains(begin.mechanism):
            outbox += SASLFrame.begin(begin).bytes
            state = .outcome
          case (.outcome, .challenge): outbox += SASLFrame.response(begin.response).bytes
          case (.outcome, .outcome(0)): state = .done
          default: return .close(.unexpectedFrame)
          }
        } catch {
          return .close(error)
        }
      case .done: return .proceed
      }
    }
  }
}
