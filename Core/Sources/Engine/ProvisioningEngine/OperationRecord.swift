public import HubContract
public import JSONTree

/// One run of a registration, from the device's request to the answer.
///
/// Every step is stored before it is taken, and each can be taken twice: after a crash the driver
/// takes the stored step again. While it runs no second operation of the registration begins.
///
/// `allocating` (custom policy alone) → `issuing` (with a signing request) → `inspecting` (at a new
/// hub) → `detaching` (when it moves) → `installing` → `removing` (when it moves) → finished. Where
/// installing fails at a new hub, `withdrawing` leaves that as it was, and `reattaching` gives back the
/// old one's. A hub that can be inspected at once takes no step for it. A device that has moved stays
/// where it is, whatever fails then.
public struct OperationRecord: Equatable, Sendable {
  /// Where it stands.
  public enum State: Equatable, Sendable {
    /// Something is still to be done.
    case running(RunningOperation)
    /// The answer, which never changes again.
    case finished(RegistrationState)
  }

  /// Its name: opaque, fit for paths and topics.
  public var id: String
  /// Whose it is.
  public var registrationID: String
  /// When the device asked.
  public var createdTime: Timestamp
  /// Where it stands.
  public var state: State

  /// Creates an operation.
  public init(id: String, registrationID: String, createdTime: Timestamp, state: State) {
    self.id = id
    self.registrationID = registrationID
    self.createdTime = createdTime
    self.state = state
  }

  /// What the device is told: the operation, with the registration's state once there is one
  /// (contract §6.3, §6.4).
  public var json: JSONValue {
    switch state {
    case .running: return ["operationId": .string(id), "status": "assigning"]
    case .finished(let state):
      return [
        "operationId": .string(id), "status": .string(state.status.rawValue),
        "registrationState": state.deviceJSON,
      ]
    }
  }

  /// The operation in another state.
  func at(_ state: State) -> OperationRecord {
    var operation = self
    operation.state = state
    return operation
  }

  /// Whether it has its answer.
  public var isFinished: Bool { if case .finished = state { true } else { false } }
}

/// An operation that goes on.
public struct RunningOperation: Equatable, Sendable {
  /// The step that is to be taken.
  public enum Phase: String, Sendable, CaseIterable {
    /// The webhook is asked for a hub.
    case allocating
    /// A certificate is made.
    case issuing
    /// The new hub is asked for an identity of that name, which is somebody else's then.
    case inspecting
    /// The identity at the old hub is disabled, and its twin read.
    case detaching
    /// The identity is made at the hub, or changed.
    case installing
    /// The identity at the old hub is deleted.
    case removing
    /// What was done at the new hub is undone, since installing failed.
    case withdrawing
    /// The identity at the old hub is enabled again.
    case reattaching
  }

  /// The step that is to be taken.
  public var phase: Phase
  /// Counts steps and changes of what is asked, so that the result of an older one is known.
  public var attempt: UInt64 = 1
  /// How often this step found its peer unavailable.
  public var tries = 0
  /// The enrollment as it was when the device asked.
  public var enrollment: Enrollment
  /// What the device proved.
  public var judgement: Judgement
  /// What the device tells the webhook.
  public var payload: JSONValue?
  /// The device's signing request, DER.
  public var signingRequest: [UInt8]?
  /// The hub that it gets.
  public var targetHub: String?
  /// The hub that it leaves, if it moves.
  public var previousHub: String?
  /// Its ID there.
  public var previousDeviceID: String?
  /// Whether the hub is a new one, which has been asked for an identity of that name.
  public var isInspected = false
  /// What it answered.
  public var prior: PriorIdentity?
  /// Whether it has moved: only to be forgotten by the old hub, or to get a newer credential.
  public var hasMoved = false
  /// The identity at the hub that it leaves, once that was read.
  public var detached: DetachedIdentity?
  /// What the twin begins with at a hub that does not have the device.
  public var twin: InitialTwin?
  /// What the webhook sends to the device.
  public var answerPayload: JSONValue?
  /// The certificate that was issued.
  public var issued: IssuedCertificate?
  /// Why it fails, once it does.
  public var failure: HubError?

  /// Creates an operation at its first step.
  public init(phase: Phase, enrollment: Enrollment, judgement: Judgement) {
    self.phase = phase
    self.enrollment = enrollment
    self.judgement = judgement
  }
}
