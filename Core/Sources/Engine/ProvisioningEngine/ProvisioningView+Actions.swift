public import HubContract
internal import HubEngine
internal import JSONTree

extension ProvisioningView {
  /// The step that an operation waits for; nil if it is finished or unknown.
  public func nextAction(_ operationID: String) throws(HubError) -> ProvisioningAction? {
    let found = try stored { storage throws(StorageFault) in
      try storage.operation(operationID)
    }
    guard let found, case .running(let run) = found.state else { return nil }
    return ProvisioningAction(
      operationID: operationID,
      attempt: run.attempt,
      step: step(found, run)
    )
  }

  private func step(
    _ operation: OperationRecord,
    _ run: RunningOperation
  )
    -> ProvisioningAction.Step
  {
    let deviceID = run.enrollment.deviceID ?? operation.registrationID
    let old = run.previousHub ?? ""
    let oldID = run.previousDeviceID ?? deviceID
    switch run.phase {
    case .allocating:
      let custom =
        run.enrollment.customAllocation ?? CustomAllocation(webhookURL: "", apiVersion: "")
      return .allocate(custom, body: webhookBody(operation, run))
    case .issuing:
      return .issue(
        signingRequest: run.signingRequest ?? [],
        authority: run.enrollment.issuingAuthority ?? "",
        commonName: operation.registrationID
      )
    case .inspecting: return .inspect(hub: run.targetHub ?? "", deviceID: deviceID)
    case .detaching: return .detach(hub: old, deviceID: oldID)
    case .installing:
      return .install(
        hub: run.targetHub ?? "",
        HubAssignment(
          deviceID: deviceID,
          authentication: authentication(operation, run, deviceID),
          isEdge: run.enrollment.isEdge,
          status: run.detached?.status ?? .enabled,
          statusReason: run.detached?.statusReason,
          twin: run.twin,
          keepsTwin: run.previousHub == nil
        )
      )
    case .removing: return .remove(hub: old, deviceID: oldID)
    case .withdrawing:
      return .withdraw(hub: run.targetHub ?? "", deviceID: deviceID, prior: run.prior)
    case .reattaching: return .reattach(hub: old, deviceID: oldID)
    }
  }

  /// The credential at the hub.
  ///
  /// Where the hub has the authority itself, any certificate of it for this device will do; else the
  /// presented one, and the last one before it, so that a renewal does not shut out who still has it.
  /// Where a certificate is issued, what the device registers with does not open the hub: it may last
  /// much longer.
  private func authentication(
    _ operation: OperationRecord,
    _ run: RunningOperation,
    _ deviceID: String
  ) -> Authentication {
    let known = try? registration(operation.registrationID)
    if let issued = run.issued {
      return .selfSigned(primary: issued.thumbprint, secondary: known?.issued?.thumbprint)
    }
    guard case .selfSigned(let primary, let secondary) = run.judgement.authentication else {
      return run.judgement.authentication
    }
    if run.judgement.isByAuthority, rules.hub(run.targetHub ?? "")?.sharesAuthorities == true,
      deviceID == operation.registrationID
    {
      return .certificateAuthority
    }
    guard secondary == nil,
      case .certificate(let last, _)? = known?.proof, last.sha256 != primary
    else { return run.judgement.authentication }
    return .selfSigned(primary: primary, secondary: last.sha256)
  }

  private func webhookBody(_ operation: OperationRecord, _ run: RunningOperation) -> JSONValue {
    var context: JSONObject = ["registrationId": .string(operation.registrationID)]
    switch run.judgement.proof {
    case .symmetricKey: context["symmetricKey"] = [:]
    case .certificate(let leaf, let signer):
      var x509: JSONObject = ["certificateInfo": leaf.info]
      x509["signingCertificateInfo"] = signer?.info
      context["x509"] = .object(x509)
    case .tpm: context["tpm"] = [:]
    }
    context["payload"] = run.payload
    let member =
      run.enrollment.key.kind == .individual ? "individualEnrollment" : "enrollmentGroup"
    return [
      member: run.enrollment.json(.shown), "deviceRuntimeContext": .object(context),
      "linkedHubs": .array(
        Allocation.candidates(run.enrollment, rules).map { .string($0.host) }
      ),
    ]
  }
}
