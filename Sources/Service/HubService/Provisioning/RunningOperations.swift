import HubContract
import ProvisioningEngine

/// What the writer stored last of each operation that goes on, so that it reads no text of its own.
///
/// Confined to the store's writer. It never shows what is not in the tables: who undoes a transaction
/// forgets everything.
final class RunningOperations {
  /// Operations kept at most; those above are read from the tables.
  static let limit = 1000

  /// Whether this transaction has changed an enrollment.
  var hasEnrollmentChanged = false
  private var operations: [String: OperationRecord] = [:]
  private var registrations: [String: RegistrationState] = [:]

  /// The operation called `id`, nil if it has to be read.
  func operation(_ id: String) -> OperationRecord? { operations[id] }

  /// The registration of an operation that goes on, nil if it has to be read.
  func registration(_ id: String) -> RegistrationState? { registrations[id] }

  /// Takes what was stored.
  func stored(_ operation: OperationRecord) {
    if operation.isFinished {
      operations[operation.id] = nil
      registrations[operation.registrationID] = nil
    } else if operations.count < Self.limit || operations[operation.id] != nil {
      operations[operation.id] = operation
    }
  }

  /// Takes what was stored.
  func stored(_ registration: RegistrationState) {
    let id = registration.registrationID
    guard registrations.count < Self.limit || registrations[id] != nil else { return }
    registrations[id] = registration
  }

  /// Forgets an operation.
  func deleted(operation id: String) { operations[id] = nil }

  /// Forgets a registration.
  func deleted(registration id: String) { registrations[id] = nil }

  /// Forgets everything, after a transaction that was undone.
  func forget() {
    hasEnrollmentChanged = false
    operations = [:]
    registrations = [:]
  }
}
