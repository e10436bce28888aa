internal import HubContract
internal import JSONTree

/// A twin as the model that its client announced has it: properties and components (contract §7.10).
///
/// A property's value is the reported one. What is desired of it, and how far the client has got with
/// that, stands in `$metadata` beside it, under its name. A component is an object with the member
/// `"__t": "c"` in either section; here it has a `$metadata` of its own instead.
struct DigitalTwin {
  /// The member that marks a component in a section, and its value.
  static let marker = "__t"
  static let markerValue: JSONValue = "c"

  /// The desired properties.
  let desired: JSONObject
  /// The reported properties.
  let reported: JSONObject
  private let twin: TwinRecord

  /// Reads the sections of `twin`.
  ///
  /// - Throws: 500001 if they are not what was once written.
  init(_ twin: TwinRecord) throws(HubError) {
    self.twin = twin
    desired = try TwinSection.object(twin.desired.properties)
    reported = try TwinSection.object(twin.reported.properties)
  }

  /// Whether `value` is a component of a section.
  static func isComponent(_ value: JSONValue?) -> Bool { value?[marker] == markerValue }

  /// Whether either section says that `name` is a component.
  func isComponent(_ name: String) -> Bool {
    Self.isComponent(desired[name]) || Self.isComponent(reported[name])
  }

  /// The whole, as the service side gets it.
  ///
  /// - Throws: 500001 if the metadata are not what was once written.
  func json() throws(HubError) -> JSONObject {
    let root = Sides(
      desired: desired,
      desiredMetadata: try TwinSection.object(twin.desired.metadata),
      reported: reported,
      reportedMetadata: try TwinSection.object(twin.reported.metadata)
    )
    var json: JSONObject = ["$dtId": .string(twin.key.deviceID)]
    var metadata: JSONObject = ["$model": .string(twin.modelID ?? "")]
    for name in root.names {
      if isComponent(name) {
        let component = root.member(name)
        var inner = JSONObject()
        var innerMetadata = JSONObject()
        for property in component.names where property != Self.marker {
          component.show(property, in: &inner, &innerMetadata)
        }
        inner["$metadata"] = .object(innerMetadata)
        json[name] = .object(inner)
      } else {
        root.show(name, in: &json, &metadata)
      }
    }
    json["$metadata"] = .object(metadata)
    return json
  }
}

/// What both sections say of one level: of the root or of a component.
private struct Sides {
  var desired: JSONObject
  var desiredMetadata: JSONObject
  var reported: JSONObject
  var reportedMetadata: JSONObject

  /// The names on either side, reported ones first.
  var names: [String] { reported.keys + desired.keys.filter { !reported.contains($0) } }

  func member(_ name: String) -> Sides {
    Sides(
      desired: desired[name]?.objectValue ?? [:],
      desiredMetadata: desiredMetadata[name]?.objectValue ?? [:],
      reported: reported[name]?.objectValue ?? [:],
      reportedMetadata: reportedMetadata[name]?.objectValue ?? [:]
    )
  }

  func show(_ name: String, in values: inout JSONObject, _ metadata: inout JSONObject) {
    var facts = JSONObject()
    if let value = desired[name] {
      facts["desiredValue"] = value
      facts["desiredVersion"] = desiredMetadata[name]?["$lastUpdatedVersion"]
    }
    if let value = reported[name] {
      if let acknowledgement = Acknowledgement(value) {
        values[name] = acknowledgement.value
        facts["ackVersion"] = acknowledgement.version
        facts["ackCode"] = acknowledgement.code
        facts["ackDescription"] = acknowledgement.description
      } else {
        values[name] = value
      }
      facts["lastUpdateTime"] = reportedMetadata[name]?["$lastUpdated"]
    }
    metadata[name] = .object(facts)
  }
}

/// A client's answer to a desired value, as models have it in the reported properties: an object of
/// `value`, `ac` and `av`, perhaps `ad`.
private struct Acknowledgement {
  var value: JSONValue
  var code: JSONValue
  var version: JSONValue
  var description: JSONValue?

  /// Nil if `reported` is a plain value.
  init?(_ reported: JSONValue) {
    guard let value = reported["value"], let code = reported["ac"], code.numberValue != nil,
      let version = reported["av"], version.numberValue != nil
    else { return nil }
    self.value = value
    self.code = code
    self.version = version
    description = reported["ad"]
  }
}
