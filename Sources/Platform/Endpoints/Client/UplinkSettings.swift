package import ByteIO
package import HubContract

/// Where an `Uplink` leads, and how it behaves.
package struct UplinkSettings: Sendable {
  /// The ways to the server, tried in their order until one leads there; at least one.
  package var ways: [ClientWay]
  /// The IoT hub's name, as user names and tokens write it; behind a parent edge it's still the hub's.
  package var hubName: String
  /// The edge device.
  package var edgeID: String
  /// What the hub shows as the client's product.
  package var productInfo = "orrery-edge"
  package var keepAliveSeconds: UInt16 = 60
  /// Messages that may be sent and not acknowledged.
  package var window = 1_000
  /// Until a request about a twin must be answered.
  package var requestMilliseconds: UInt64 = 20_000
  /// How long messages may be sent and none be acknowledged; then the connection is given up.
  package var stallMilliseconds: UInt64 = 50_000
  /// Waits between attempts.
  package var delay = ReconnectDelay()

  package init(ways: [ClientWay], hubName: String, edgeID: String) {
    self.ways = ways
    self.hubName = hubName
    self.edgeID = edgeID
  }

  /// The identity that connects.
  package var identity: IdentityKey {
    IdentityKey(deviceID: edgeID, moduleID: ModuleID.edgeHub)
  }
}

/// What an `Uplink` shows the server.
package struct UplinkCredential: Sendable {
  /// The token, a secret; nil if the TLS side presents a certificate.
  package let token: [UInt8]?
  /// When it ends; nil for never.
  package let expiry: Instant?

  package init(token: [UInt8]?, expiry: Instant?) {
    self.token = token
    self.expiry = expiry
  }

  /// When the next one is to be shown: when a tenth of its time is left, at least a minute, and at
  /// most half of it.
  func renewal(now: Instant) -> Instant? {
    guard let expiry else { return nil }
    let left = expiry.milliseconds(since: now)
    return now.adding(milliseconds: left - min(max(left / 10, 60_000), left / 2))
  }
}

/// What of an identity an `Uplink` follows.
package struct UplinkTopics: OptionSet, Sendable, Hashable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Changes of desired properties.
  package static let desired = UplinkTopics(rawValue: 1)
  /// Direct methods.
  package static let methods = UplinkTopics(rawValue: 2)
  /// Cloud-to-device messages; devices alone have them.
  package static let cloudToDevice = UplinkTopics(rawValue: 4)

  static let each: [UplinkTopics] = [.desired, .methods, .cloudToDevice]

  /// The filter for one of them, as the identity itself would send it; for messages to a child, as its
  /// edge hub does.
  var filter: String {
    switch self {
    case .desired: "$iothub/twin/PATCH/properties/desired/#"
    case .methods: "$iothub/methods/POST/#"
    default: ChildDeliveryTopic.filter
    }
  }
}

/// A direct method for someone whom the edge answers for.
package struct UplinkMethod: Sendable {
  package let identity: IdentityKey
  package let name: String
  package let payload: [UInt8]
  let requestID: String
  /// The connection on which it came: elsewhere nobody waits for the answer.
  let connection: UInt64
}

/// A cloud-to-device message for a device whom the edge answers for.
package struct UplinkMessage: Sendable {
  package let identity: IdentityKey
  package let bag: [UInt8]
  package let body: [UInt8]
  let lock: [UInt8]
  let connection: UInt64
}

/// Why a request about a twin has no answer.
package enum UplinkFault: Error, Sendable, Equatable {
  /// There is no connection, or it ended before the answer came.
  case notConnected
  /// No answer came in time.
  case timedOut
  /// Too many requests wait for their answers.
  case tooMany
  /// The server's refusal; status as in HTTP.
  case refused(status: Int, body: [UInt8])
}

/// What an `Uplink` did with a message.
package enum UplinkSending: Sendable, Equatable {
  /// It is on its way.
  case taken
  /// There is no room now; `uplinkHasRoom` tells when there is.
  case full
  /// Its properties have no place in a topic: it can never be sent.
  case unencodable
}

/// Who owns an `Uplink`; called on its event loop.
package protocol UplinkDelegate: AnyObject {
  /// The connection stands; what was sent and not acknowledged on the last one is to be sent again.
  ///
  /// Without `isMultiplexing` the server knows telemetry of children alone.
  func uplinkConnected(isMultiplexing: Bool)
  /// The connection is lost, and another will be tried for; `fault` is nil if that was intended.
  func uplinkLost(_ fault: ClientFault?)
  /// The server has these messages durably.
  func uplinkAcknowledged(_ deliveries: Span<UInt64>)
  /// There is room for messages.
  func uplinkHasRoom()
  /// A message for `child` was acknowledged and dropped: the server does not let the edge send for it.
  func uplinkDropped(for child: IdentityKey)
  /// The server follows `identity` here no longer, or refused to; it is tried again with the next
  /// connection, or when it is asked for again.
  func uplinkUnfollowed(_ identity: IdentityKey, reason: String)
  /// Desired properties have changed.
  func uplinkDesired(of identity: IdentityKey, version: Int64?, patch: [UInt8])
  /// A direct method is to be carried out, and answered with `answer`.
  func uplinkMethod(_ method: UplinkMethod)
  /// A message has come, which is to be settled with `settle`.
  func uplinkMessage(_ message: UplinkMessage)
}
