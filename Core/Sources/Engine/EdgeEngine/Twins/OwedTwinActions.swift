public import HubContract

/// What a `TwinCache` wants done and waits until the disk has taken what is to be stored before it.
///
/// While the disk takes nothing, it has no more than the clients that there are and their requests that
/// wait can make: of what follows on another one, the last counts. Deliveries of desired properties are
/// given up altogether, and their clients get one in place of them once the disk works again.
public struct OwedTwinActions: Sendable {
  /// The most notices of changes that wait; of more the oldest are dropped.
  public static let noticeLimit = 2_048

  /// In the order in which they are to be done.
  public private(set) var actions: [TwinAction] = []
  /// Clients whose deliveries were given up.
  private var undelivered: Set<IdentityKey> = []

  /// Nothing is owed.
  public init() {}

  /// Adds what comes behind the rest.
  public mutating func append(_ more: [TwinAction]) { actions += more }

  /// Makes as little of it as there can be, since the disk takes nothing.
  ///
  /// - Parameter isAwaited: whether somebody waits for the answer to a request.
  /// - Returns: how many notices of changes were dropped.
  public mutating func compact(isAwaited: (UInt64) -> Bool) -> Int {
    var records: [IdentityKey: TwinAction] = [:]
    var reads: Set<IdentityKey> = []
    var sends: Set<IdentityKey> = []
    var notes: Set<IdentityKey> = []
    var notices = 0
    var others: [TwinAction] = []
    // The last of each kind counts, so it is begun with.
    for action in actions.reversed() {
      switch action {
      case .store(let key, _), .forget(let key):
        if records[key] == nil { records[key] = action }
        continue
      case .deliverDesired(let key, _, _):
        undelivered.insert(key)
        continue
      // Answers to exchanges before the last are not looked at.
      case .readTwin(let key, _): guard reads.insert(key).inserted else { continue }
      case .sendReported(let key, _, _): guard sends.insert(key).inserted else { continue }
      case .note(let key, _): guard notes.insert(key).inserted else { continue }
      case .answerTwin(_, let request, _), .answerReported(_, let request, _),
        .refuse(_, let request, _):
        guard isAwaited(request) else { continue }
      case .routeChange:
        notices += 1
        guard notices <= Self.noticeLimit else { continue }
      }
      others.append(action)
    }
    // Nothing of this is done before all of it is durable.
    let sorted = records.sorted { $0.key < $1.key }.map(\.value)
    actions = sorted + others.reversed()
    return max(0, notices - Self.noticeLimit)
  }

  /// Takes all of it, since the disk has taken what was to be stored.
  ///
  /// - Returns: what to do, and the clients to call `TwinCache.deliverAgain` for.
  public mutating func take() -> (actions: [TwinAction], undelivered: [IdentityKey]) {
    defer { (actions, undelivered) = ([], []) }
    return (actions, undelivered.sorted())
  }
}
