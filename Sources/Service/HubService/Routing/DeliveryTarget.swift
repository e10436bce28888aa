import HubEngine

/// Where `EventDelivery` brings events.
protocol DeliveryTarget: Sendable {
  /// Most events of one attempt.
  var batchCount: Int { get }
  /// Seconds after which an event that can't be delivered is dead-lettered.
  var timeToLiveSeconds: Int { get }

  /// Brings `messages` there, in order; it ends soon when its task is cancelled.
  func send(_ messages: ArraySlice<RoutedMessage>) async -> DeliveryAnswer
}

/// What became of an attempt.
enum DeliveryAnswer: Equatable, Sendable {
  /// The receiver has the events.
  case taken
  /// It does not have all of them, for a reason that holds no part of a message and no secret.
  case failed(EndpointDelivery.Failure, reason: String)
}
