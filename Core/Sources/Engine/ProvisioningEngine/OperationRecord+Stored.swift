internal import ByteIO
internal import HubContract
public import JSONTree

extension OperationRecord {
  /// Everything but the name and the registration, for the storage.
  public var stored: JSONValue {
    switch state {
    case .finished(let state):
      return ["created": .int(createdTime.ticks), "answer": state.stored]
    case .running(let run):
      return ["created": .int(createdTime.ticks), "run": run.stored]
    }
  }

  /// Reads what `stored` made; nil for anything else.
  public init?(stored: JSONValue, id: String, registrationID: String) {
    guard let created = stored["created"]?.int64Value else { return nil }
    let state: State
    if let answer = stored["answer"] {
      guard let answer = RegistrationState(stored: answer) else { return nil }
      state = .finished(answer)
    } else {
      guard let run = stored["run"].flatMap({ RunningOperation(stored: $0) }) else { return nil }
      state = .running(run)
    }
    self.init(
      id: id,
      registrationID: registrationID,
      createdTime: Timestamp(ticks: created),
      state: state
    )
  }
}

extension RunningOperation {
  var stored: JSONValue {
    var object: JSONObject = [
      "phase": .string(phase.rawValue), "attempt": .int(Int64(clamping: attempt)),
      "tries": .int(Int64(tries)), "kind": .string(enrollment.key.kind.rawValue),
      "name": .string(enrollment.key.id), "enrollment": enrollment.json(.stored),
      "judgement": judgement.stored,
    ]
    object["payload"] = payload
    object["csr"] = signingRequest.map { .string(Base64.encode($0)) }
    object["target"] = targetHub.map { .string($0) }
    object["previous"] = previousHub.map { .string($0) }
    object["previousDevice"] = previousDeviceID.map { .string($0) }
    if isInspected { object["inspected"] = true }
    object["prior"] = prior?.stored
    if hasMoved { object["moved"] = true }
    object["detached"] = detached?.stored
    object["twin"] = twin?.json
    object["answerPayload"] = answerPayload
    object["issued"] = issued?.stored
    if let failure {
      object["code"] = .int(Int64(failure.code.rawValue))
      object["message"] = .string(failure.message)
    }
    return .object(object)
  }

  init?(stored: JSONValue) {
    guard let phase = stored["phase"]?.stringValue.flatMap({ Phase(rawValue: $0) }),
      let attempt = stored["attempt"]?.int64Value, let tries = stored["tries"]?.int64Value,
      let kind = stored["kind"]?.stringValue.flatMap({ EnrollmentKind(rawValue: $0) }),
      let key = stored["name"]?.stringValue.flatMap({ EnrollmentKey(kind, $0) }),
      let text = stored["enrollment"],
      let enrollment = try? Enrollment(stored: text, key: key),
      let judgement = stored["judgement"].flatMap({ Judgement(stored: $0) })
    else { return nil }
    self.init(phase: phase, enrollment: enrollment, judgement: judgement)
    self.attempt = UInt64(clamping: attempt)
    self.tries = Int(clamping: tries)
    payload = stored["payload"]
    signingRequest = stored["csr"]?.stringValue.flatMap { Base64.decode($0) }
    targetHub = stored["target"]?.stringValue
    previousHub = stored["previous"]?.stringValue
    previousDeviceID = stored["previousDevice"]?.stringValue
    isInspected = stored["inspected"]?.boolValue ?? false
    hasMoved = stored["moved"]?.boolValue ?? false
    prior = stored["prior"].flatMap { PriorIdentity(stored: $0) }
    detached = stored["detached"].flatMap { DetachedIdentity(stored: $0) }
    twin = stored["twin"].flatMap { try? InitialTwin(json: $0) }
    answerPayload = stored["answerPayload"]
    issued = stored["issued"].flatMap { IssuedCertificate(stored: $0) }
    if let code = stored["code"]?.int64Value, let message = stored["message"]?.stringValue {
      failure = HubError(HubErrorCode(rawValue: Int(clamping: code)), message)
    }
  }
}

extension Judgement {
  var stored: JSONValue {
    var object = JSONObject()
    authentication.store(in: &object)
    object["authority"] = .bool(isByAuthority)
    proof.store(in: &object)
    return .object(object)
  }

  init?(stored: JSONValue) {
    guard let authentication = Authentication(storedIn: stored),
      let proof = RegistrationProof(storedIn: stored)
    else { return nil }
    self.init(
      authentication: authentication,
      proof: proof,
      isByAuthority: stored["authority"]?.boolValue ?? false
    )
  }
}

extension Authentication {
  /// Adds to `object`, for the storage, the members that `init(storedIn:)` reads.
  func store(in object: inout JSONObject) {
    switch self {
    case .sas(let primary, let secondary):
      object["first"] = .string(primary.base64)
      object["second"] = .string(secondary.base64)
    case .selfSigned(let primary, let secondary):
      object["print"] = primary.map { .string($0.hex) } ?? .null
      object["secondPrint"] = secondary.map { .string($0.hex) } ?? .null
    case .certificateAuthority, .none: object["kind"] = .string(kind.rawValue)
    }
  }

  init?(storedIn stored: JSONValue) {
    if let kind = stored["kind"]?.stringValue {
      self = kind == Kind.none.rawValue ? .none : .certificateAuthority
    } else if let first = stored["first"]?.stringValue {
      guard let first = SymmetricKey(base64: first),
        let second = stored["second"]?.stringValue.flatMap({ SymmetricKey(base64: $0) })
      else { return nil }
      self = .sas(primary: first, secondary: second)
    } else {
      self = .selfSigned(
        primary: stored["print"]?.stringValue.flatMap { Thumbprint(hex: $0) },
        secondary: stored["secondPrint"]?.stringValue.flatMap { Thumbprint(hex: $0) }
      )
    }
  }
}
