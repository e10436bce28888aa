package import ByteIO
package import HubContract
package import MQTT

/// What a device's CONNECT asks, copied out of the packet.
package struct DeviceConnectRequest: Sendable {
  /// The MQTT client ID, which names the identity.
  package let clientID: [UInt8]
  /// The user name, if one was given.
  package let userName: [UInt8]?
  /// The password, a SAS token, if one was given: a secret.
  package let password: [UInt8]?
  /// What the client presented in the TLS handshake.
  package let chain: PresentedChain
  /// Whether the session begins anew.
  package let isCleanSession: Bool
  /// The peer's address, for the log.
  package let address: String
  /// Whether it was judged before, and the registry changed meanwhile.
  package var isJudgedAgain = false

  package init(
    clientID: [UInt8],
    userName: [UInt8]?,
    password: [UInt8]?,
    chain: PresentedChain = PresentedChain([]),
    isCleanSession: Bool = true,
    address: String = "unknown"
  ) {
    self.clientID = clientID
    self.userName = userName
    self.password = password
    self.chain = chain
    self.isCleanSession = isCleanSession
    self.address = address
  }
}

/// The backend's answer to a CONNECT.
package enum DeviceAdmission: Sendable {
  /// The device may connect.
  case accepted(AdmittedDevice)
  /// It speaks to the provisioning service, which answers it.
  case provisioning(any ProvisioningClient)
  /// It may not; `reason` is for the log alone.
  case refused(ConnectReturnCode, reason: String)
}

/// What a device proved who it is with; checked again when the registry changes.
package enum DeviceCredential: Sendable, Equatable {
  /// A token signed with one of the identity's keys.
  case key(SymmetricKey)
  /// A token signed with a policy's key.
  case policy(String, SymmetricKey)
  /// A certificate with this thumbprint, SHA-1 and SHA-256.
  case thumbprint(sha1: Thumbprint, sha256: Thumbprint)
  /// A certificate that leads to the registered authority with this thumbprint.
  case authority(sha256: Thumbprint)
  /// What the edge hub at the end of this chain proved; it connects for the one at its beginning.
  indirect case edgeHub(authChain: [String], DeviceCredential)

  /// What was proved in the end, by whomever.
  package var proved: DeviceCredential {
    if case .edgeHub(_, let credential) = self { credential.proved } else { self }
  }

  /// Whether an edge hub proved it for another identity.
  package var isChained: Bool { if case .edgeHub = self { true } else { false } }

  /// Whether it stands on a chain with this device in it.
  package func isChained(to deviceID: String) -> Bool {
    guard case .edgeHub(let chain, _) = self else { return false }
    return chain.contains { IdentityKey(clientID: $0)?.deviceID == deviceID }
  }
}

/// A device that may connect, with all that its connection needs on the hot path.
package final class AdmittedDevice: Sendable {
  /// Who it is.
  package let identity: IdentityKey
  /// What it proved that with.
  package let credential: DeviceCredential
  /// What every event of it has in common.
  package let stamp: EventStamp
  /// Where its events go.
  package let partition: UInt16
  /// The subscriptions that its lasting session remembers, nil if there is no such session.
  package let session: [(filter: String, quality: UInt8)]?
  /// When its credential ends, the allowance for clocks included; nil for certificates.
  package let expiry: Instant?
  /// The registry's change number when this was decided; see `DeviceBackend.established`.
  package let epoch: UInt64

  package init(
    identity: IdentityKey,
    credential: DeviceCredential,
    stamp: EventStamp,
    partition: UInt16,
    session: [(filter: String, quality: UInt8)]?,
    expiry: Instant?,
    epoch: UInt64
  ) {
    self.identity = identity
    self.credential = credential
    self.stamp = stamp
    self.partition = partition
    self.session = session
    self.expiry = expiry
    self.epoch = epoch
  }
}

/// Someone below an edge hub for whom it sends (contract §3.4).
package struct ChildSender: Sendable {
  /// What the events have in common: the child is their sender.
  package let stamp: EventStamp
  /// Where they go.
  package let partition: UInt16
  /// When it has to be asked for again, for the registry may have changed.
  package let end: Instant

  package init(stamp: EventStamp, partition: UInt16, end: Instant) {
    self.stamp = stamp
    self.partition = partition
    self.end = end
  }
}

/// The backend's answer about someone for whom an edge hub wants to act.
package enum ChildAnswer<Standing: Sendable>: Sendable {
  /// It may.
  case accepted(Standing)
  /// It may not: the other is not below it, or is disabled.
  case refused
  /// Nobody can tell at the moment.
  case unavailable
}

/// A cloud-to-device message on its way to a connection.
package struct CloudToDeviceDelivery: Sendable {
  /// Names the delivery when it is completed.
  package let sequence: UInt64
  /// The lock that completes it.
  package let token: [UInt8]
  /// The property bag of the topic.
  package let bag: [UInt8]
  /// The message.
  package let body: [UInt8]
  /// When it was queued; nil where that is not known.
  package let enqueuedTime: Timestamp?
  /// How often it was sent before; nil where that is not known.
  package let deliveryCount: Int?

  package init(
    sequence: UInt64,
    token: [UInt8],
    bag: [UInt8],
    body: [UInt8],
    enqueuedTime: Timestamp? = nil,
    deliveryCount: Int? = nil
  ) {
    self.sequence = sequence
    self.token = token
    self.bag = bag
    self.body = body
    self.enqueuedTime = enqueuedTime
    self.deliveryCount = deliveryCount
  }
}

/// The answer to a device's twin request.
package struct TwinReply: Sendable {
  /// Status as in HTTP.
  package let status: Int
  /// The reported section's new version after a patch.
  package let version: Int64?
  /// JSON, may be empty.
  package let body: [UInt8]

  package init(status: Int, version: Int64? = nil, body: [UInt8] = []) {
    self.status = status
    self.version = version
    self.body = body
  }
}

/// Who decides about and keeps what devices send: the hub's service, later the edge's.
///
/// All calls come from the connection's event loop and return at once; every `reply` is called once,
/// from any thread.
package protocol DeviceBackend: Sendable {
  /// Judges a CONNECT.
  func admit(
    _ request: DeviceConnectRequest,
    reply: @escaping @Sendable (DeviceAdmission) -> Void
  )
  /// The connection stands: makes `handle` the identity's only connection.
  ///
  /// Answers false if the registry changed since the admission, which must then be asked for anew.
  func established(_ handle: DeviceHandle, _ device: AdmittedDevice) -> Bool
  /// Judges whether the edge hub that `device` is may send for `child`, and ask about its twin.
  func sender(
    _ child: IdentityKey,
    by device: AdmittedDevice,
    reply: @escaping @Sendable (ChildAnswer<ChildSender>) -> Void
  )
  /// Judges whether `child` may be present on the connection of the edge hub that `device` is;
  /// `established` with the child's own handle then makes it so.
  func admit(
    _ child: IdentityKey,
    by device: AdmittedDevice,
    reply: @escaping @Sendable (ChildAnswer<AdmittedDevice>) -> Void
  )
  /// The connection is gone.
  func ended(_ handle: DeviceHandle, _ device: AdmittedDevice)
  /// Makes the session's subscriptions durable; nil forgets the session.
  func remember(
    _ subscriptions: [(filter: String, quality: UInt8)]?,
    of identity: IdentityKey,
    reply: @escaping @Sendable (Bool) -> Void
  )
  /// The connection now takes changes of desired properties.
  func desiredSubscribed(_ handle: DeviceHandle, _ identity: IdentityKey)
  /// The connection now takes direct methods, or more of them than before.
  func methodsSubscribed(_ handle: DeviceHandle, _ identity: IdentityKey)
  /// The connection takes none any more.
  func methodsUnsubscribed(_ handle: DeviceHandle, _ identity: IdentityKey)
  /// Reads the twin for the device.
  func twin(of identity: IdentityKey, reply: @escaping @Sendable (TwinReply) -> Void)
  /// Patches the reported properties.
  func patchReported(
    _ body: [UInt8],
    of identity: IdentityKey,
    onVersion: Int64?,
    reply: @escaping @Sendable (TwinReply) -> Void
  )
  /// The answer of the device to a direct method.
  func methodAnswered(
    requestID: [UInt8],
    status: Int?,
    body: [UInt8],
    by identity: IdentityKey
  )
  /// Takes up to `limit` cloud-to-device messages for the connection.
  ///
  /// It has them until it settles them or ends; if `isTimed`, for the time of a lock at most.
  func takeCloudToDevice(
    _ handle: DeviceHandle,
    of identity: IdentityKey,
    limit: Int,
    isTimed: Bool,
    reply: @escaping @Sendable ([CloudToDeviceDelivery]) -> Void
  )
  /// Gives back a message that was taken and not sent.
  func returnCloudToDevice(token: [UInt8], of identity: IdentityKey)
  /// The device has a message.
  func completeCloudToDevice(token: [UInt8], of identity: IdentityKey)
  /// The device refuses a message, which is not sent again.
  func rejectCloudToDevice(token: [UInt8], of identity: IdentityKey)
  /// What routes bring to the inputs of `identity`, which now takes it; nil where there are none.
  ///
  /// Called on the connection's loop, which alone uses the feed from then on.
  func openInputs(_ handle: DeviceHandle, of identity: IdentityKey) -> (any InputFeed)?
}

extension DeviceBackend {
  /// A hub sends what changes to whoever is connected.
  package func desiredSubscribed(_ handle: DeviceHandle, _ identity: IdentityKey) {}

  /// A hub has no inputs: an edge's routes fill them.
  package func openInputs(
    _ handle: DeviceHandle,
    of identity: IdentityKey
  ) -> (any InputFeed)? { nil }
}
