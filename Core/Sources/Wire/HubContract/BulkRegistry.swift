public import JSONTree

/// An element of a bulk call that failed.
public struct BulkFailure: Error, Equatable, Sendable {
  /// The device's ID, empty if the element did not name one.
  public var deviceID: String
  /// The module's ID.
  public var moduleID: String?
  /// What the element wanted.
  public var operation: ImportMode?
  /// Why it was refused.
  public var error: HubError

  /// Creates a failure.
  public init(
    deviceID: String,
    moduleID: String? = nil,
    operation: ImportMode? = nil,
    error: HubError
  ) {
    self.deviceID = deviceID
    self.moduleID = moduleID
    self.operation = operation
    self.error = error
  }
}

/// The body of `POST /devices` and its answer (contract §7.4).
public enum BulkRegistry {
  /// Reads the array; a faulty element is a failure of its own and does not stop the others.
  ///
  /// - Throws: 400012 if it is no array, 413002 for more than `limit` elements, 400011 if two elements
  ///   name one identity. These refuse the whole call.
  public static func parse(
    _ json: JSONValue,
    limit: Int = Quotas().bulkIdentities
  ) throws(HubError) -> [Result<ExportImportDevice, BulkFailure>] {
    guard let elements = json.arrayValue else {
      throw BodyFields.wrongType("The body", "an array of identities", json)
    }
    guard elements.count <= limit else {
      throw HubError(
        .tooManyDevices,
        "The call has \(elements.count) identities; send at most \(limit) at once."
      )
    }
    var seen: Set<[String?]> = []
    var results: [Result<ExportImportDevice, BulkFailure>] = []
    for element in elements {
      let deviceID = element["id"]?.stringValue
      let moduleID = element["moduleId"]?.stringValue
      if let deviceID, !seen.insert([deviceID, moduleID]).inserted {
        // The ID was not judged yet, so it is not repeated here.
        throw HubError(
          .deviceDefinedMultipleTimes,
          "Element \(results.count + 1) names an identity that an earlier one names; send it once."
        )
      }
      do throws(HubError) {
        results.append(.success(try ExportImportDevice(json: element)))
      } catch {
        results.append(
          .failure(
            BulkFailure(
              deviceID: deviceID ?? "",
              moduleID: moduleID,
              operation: element["importMode"]?.stringValue.flatMap(ImportMode.init),
              error: error
            )
          )
        )
      }
    }
    return results
  }

  /// The answer's body; the status is 200 without failures and 400 with any.
  public static func answer(_ failures: [BulkFailure]) -> (status: Int, body: JSONValue) {
    let errors = failures.map { failure -> JSONValue in
      [
        "deviceId": .string(failure.deviceID),
        "moduleId": failure.moduleID.map { .string($0) } ?? .null,
        "errorCode": .string(failure.error.code.name),
        "errorStatus": .string(failure.error.message),
        "operation": failure.operation.map { .string($0.rawValue) } ?? .null,
      ]
    }
    let body: JSONValue = [
      "isSuccessful": .bool(failures.isEmpty), "errors": .array(errors), "warnings": [],
    ]
    return (failures.isEmpty ? 200 : 400, body)
  }
}
