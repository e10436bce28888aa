import HubContract
import JSONTree
import ProvisioningEngine

/// Any bytes as what devices send to the provisioning service, and as what it keeps.
@c(LLVMFuzzerTestOneInput)
public func fuzzProvisioning(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  checkChip(bytes)
  checkNames(bytes)
  _ = try? RegistrationRequest(bytes)
  guard let value = try? JSON.parse(bytes) else { return 0 }
  checkStored(value)
  for key in [EnrollmentKey.individual("d"), .group("d")] { checkEnrollment(value, key) }
  return 0
}

private func checkChip(_ bytes: [UInt8]) {
  guard let chip = TPMPublicArea(bytes) else { return }
  precondition(chip.area.count <= TPMPublicArea.byteLimit, "an area that is too long")
  precondition([128, 192, 256].contains(chip.symmetricKeyBits), "a key size that nobody derives")
}

private func checkNames(_ bytes: [UInt8]) {
  if let name = ProvisioningUserName(bytes) {
    precondition(!name.scope.isEmpty, "a user name without scope")
  }
  if case .register(let id)? = ProvisioningTopics.request(bytes) {
    precondition(!id.isEmpty && !id.contains("$"), "a request ID that no answer can have")
  }
  let text = String(decoding: bytes, as: UTF8.self)
  if let id = RegistrationID.normalized(text) {
    precondition(RegistrationID.normalized(id) == id, "a normal form has another one")
  }
  _ = LinkAddress(text)
}

private func checkStored(_ value: JSONValue) {
  if let state = RegistrationState(stored: value) {
    precondition(RegistrationState(stored: state.stored) == state, "a registration changed")
    _ = state.deviceJSON
  }
  if let operation = OperationRecord(stored: value, id: "4.0", registrationID: "d") {
    let again = OperationRecord(stored: operation.stored, id: "4.0", registrationID: "d")
    precondition(again == operation, "an operation changed")
    _ = operation.json
  }
}

private func checkEnrollment(_ value: JSONValue, _ key: EnrollmentKey) {
  let made = try? Enrollment(
    body: value,
    key: key,
    existing: nil,
    readCertificate: { _ in nil },
    mintKey: { () throws(HubError) in
      guard let key = SymmetricKey(bytes: [UInt8](0..<64)) else {
        throw HubError(.serverError, "no key")
      }
      return key
    }
  )
  guard let made else { return }
  let again = try? Enrollment(stored: made.json(.stored), key: key)
  precondition(again == made, "an enrollment changed")
}
