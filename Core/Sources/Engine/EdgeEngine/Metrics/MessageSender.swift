public import HubContract

/// Who sends messages, and by which output.
public struct MessageSender: Hashable, Sendable {
  /// The device or module.
  public let identity: IdentityKey
  /// The module's output, empty for none.
  public let output: String

  /// Creates the sender `identity` with `output`.
  public init(_ identity: IdentityKey, output: String = "") {
    self.identity = identity
    self.output = output
  }

  /// Who sent the message of a record in the form of `EventEncoder`; nil for another form.
  public init?(record: Span<UInt8>) {
    guard let event = try? EventView(record) else { return nil }
    self.init(event)
  }

  /// Who sent a stored message.
  public init(_ event: borrowing EventView) {
    identity = event.identity
    // Devices have no outputs, so most need not be looked through.
    output = event.moduleIDRange.isEmpty ? "" : event.bag.value(of: .outputName) ?? ""
  }
}
