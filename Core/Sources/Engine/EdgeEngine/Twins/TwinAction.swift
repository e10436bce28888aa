public import HubContract

/// What has to be done for the twins of an edge's clients.
///
/// Actions are done in their order, and whatever comes behind a `store` or `forget` waits until that is
/// durable: no client is told and nothing is sent what a power cut could undo.
public enum TwinAction: Equatable, Sendable {
  /// Keep the bytes under this identity, in place of those from before.
  case store(IdentityKey, [UInt8])
  /// Drop what is kept under this identity.
  case forget(IdentityKey)
  /// Ask the service for the identity's whole twin; answer with `TwinCache.twinRead` or one of its
  /// like, and the number of the exchange.
  case readTwin(IdentityKey, exchange: UInt64)
  /// Send a patch of reported properties upstream; answer with `TwinCache.reportedAccepted` or one of
  /// its like, and the number of the exchange.
  case sendReported(IdentityKey, exchange: UInt64, patch: [UInt8])
  /// Hand a patch of desired properties, `$version` in it, to the client that has subscribed; once it
  /// has confirmed that, `TwinCache.desiredConfirmed`.
  case deliverDesired(IdentityKey, version: UInt64, body: [UInt8])
  /// Answer a client's request for its twin: status 200.
  case answerTwin(IdentityKey, request: UInt64, body: [UInt8])
  /// Answer a client's patch: status 204 and this version.
  case answerReported(IdentityKey, request: UInt64, version: UInt64)
  /// Refuse a client's patch.
  case refuse(IdentityKey, request: UInt64, HubError)
  /// Route a message of the source `/twinChangeNotifications` with this body.
  case routeChange(IdentityKey, body: [UInt8])
  /// Write to the log what the service has done wrong, or refused.
  case note(IdentityKey, String)
}

/// The times and limits of a `TwinCache`.
public struct TwinCacheConfiguration: Equatable, Sendable {
  /// The least time between two patches of one twin that go upstream
  /// (`ReportedPropertiesSyncFrequencySecs`).
  public var reportedIntervalMilliseconds: UInt64 = 5000
  /// The least time between two reads of a whole twin that nobody has asked for
  /// (`MinTwinSyncPeriodSecs`).
  public var syncIntervalMilliseconds: UInt64 = 120_000
  /// How long an answer of the service is waited for (`CloudOperationTimeoutSecs`).
  public var answerMilliseconds: UInt64 = 20_000
  /// The longest pause before something is tried again.
  public var longestPauseMilliseconds: UInt64 = 60_000
  /// The most exchanges with the service at once, reads for clients apart; others wait.
  public var maximumExchanges = 64
  /// The most requests of one client for its twin that wait for the service; others are answered from
  /// the copy.
  public var maximumReaders = 16
  /// The limits of what clients report.
  public var quotas = Quotas()

  /// The customary values.
  public init() {}
}
