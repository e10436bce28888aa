import NIOCore
import Synchronization

/// The channels of a connection that is being made, one for each address that is tried, so that the
/// attempt can be called off at any moment.
final class OpeningChannels: Sendable {
  /// Nil once it was called off.
  private let channels = Mutex<[any Channel]?>([])

  /// Takes note of a channel.
  ///
  /// - Throws: `CancellationError` if the attempt was called off.
  func add(_ channel: any Channel) throws {
    try channels.withLock { channels in
      guard channels != nil else { throw CancellationError() }
      channels?.append(channel)
    }
  }

  /// Calls the attempt off.
  func cancel() {
    let open = channels.withLock { channels in
      defer { channels = nil }
      return channels ?? []
    }
    for channel in open { channel.close(promise: nil) }
  }
}
