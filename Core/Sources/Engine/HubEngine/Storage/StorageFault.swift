/// Why the storage could not do what was asked; the transaction it happened in must be undone.
public struct StorageFault: Error, Equatable, Sendable {
  /// What kind of failure it was, as far as it changes what is done about it.
  public enum Kind: Sendable {
    /// No space is left; it may return.
    case full
    /// What was read breaks the storage's own rules.
    case corrupt
    /// Anything else, an I/O error for instance.
    case failed
  }

  /// What kind of failure it was.
  public var kind: Kind
  /// What the storage says about it, for the log; never shown to a client.
  public var detail: String

  /// Creates a fault.
  public init(_ kind: Kind, _ detail: String) {
    self.kind = kind
    self.detail = detail
  }
}
