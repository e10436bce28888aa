/// One subscription of an MQTT session that outlives its connections (contract §11).
public struct SessionSubscription: Equatable, Sendable {
  /// The topic filter, literally as it was sent.
  public var filter: String
  /// The granted quality of service, 0 or 1.
  public var quality: UInt8

  /// Creates a subscription.
  public init(filter: String, quality: UInt8) {
    self.filter = filter
    self.quality = quality
  }
}
