public import HubContract
internal import HubEngine

/// The keys of a chip that a challenge is encrypted to (contract §6.5).
public struct ChipKeys: Equatable, Sendable {
  /// The key that the enrollment names.
  public let endorsementKey: [UInt8]
  /// The key that the device sent, or else the enrollment's.
  public let storageRootKey: [UInt8]

  init(_ enrollment: Enrollment, _ request: RegistrationRequest) throws(HubError) {
    guard case .tpm(let endorsementKey, let root) = enrollment.attestation,
      let given = request.tpm, given.endorsementKey == endorsementKey,
      root == nil || given.storageRootKey == nil || given.storageRootKey == root,
      let storageRootKey = given.storageRootKey ?? root
    else { throw HubError(.provisioningUnauthorized, "Unauthorized") }
    self.endorsementKey = endorsementKey
    self.storageRootKey = storageRootKey
  }
}

extension ProvisioningView {
  /// The keys of the chip that may register as `presentedID`.
  ///
  /// - Throws: 401002 whatever is wrong, so that nobody learns which names exist.
  public func chipKeys(
    _ presentedID: String,
    _ request: RegistrationRequest
  ) throws(HubError) -> ChipKeys {
    guard let id = RegistrationID.normalized(presentedID),
      let enrollment = try stored({ storage throws(StorageFault) in
        try storage.enrollment(.individual(id))
      }), enrollment.isEnabled
    else { throw HubError(.provisioningUnauthorized, "Unauthorized") }
    return try ChipKeys(enrollment, request)
  }
}
