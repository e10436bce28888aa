/// The messages of a module's inputs, in the order in which they came.
///
/// A message is acknowledged when the next one is asked for: what a program is busy with when it ends
/// comes again. Meant for one loop; the sequence ends when its task is cancelled.
public struct InputMessages: AsyncSequence, Sendable {
  let client: ModuleClient

  /// Asks for messages.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let client: ModuleClient
    private var last: InputDelivery?

    fileprivate init(_ client: ModuleClient) { self.client = client }

    /// The next message, when the one before was taken care of; nil when there will be none.
    public mutating func next() async -> ModuleMessage? {
      last = await client.nextInput(after: last)
      return last?.message
    }
  }

  /// Begins a loop.
  public func makeAsyncIterator() -> Iterator { Iterator(client) }
}

/// The desired properties of a module: first as they are, then whenever they have changed.
///
/// A slow loop gets the newest, not each of them; the sequence ends when its task is cancelled.
public struct DesiredProperties: AsyncSequence, Sendable {
  let client: ModuleClient

  /// Asks for changes.
  public struct Iterator: AsyncIteratorProtocol {
    fileprivate let client: ModuleClient
    private var seen: UInt64 = 0

    fileprivate init(_ client: ModuleClient) { self.client = client }

    /// All desired properties after the next change; nil when there will be none.
    public mutating func next() async -> TwinProperties? {
      guard let (number, properties) = await client.nextDesired(after: seen) else { return nil }
      seen = number
      return properties
    }
  }

  /// Begins a loop.
  public func makeAsyncIterator() -> Iterator { Iterator(client) }
}
