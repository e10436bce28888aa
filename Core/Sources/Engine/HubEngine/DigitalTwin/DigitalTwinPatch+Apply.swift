internal import HubContract
internal import JSONTree

extension DigitalTwinPatch {
  /// The merge patch of the desired properties that carries this out on `twin`.
  ///
  /// Each operation sees what those before it have made. A property that is set takes the place of the
  /// former value as a whole, and so does a component; what was desired besides goes.
  ///
  /// - Throws: 400004 with the operation's number and path.
  func merge(into twin: DigitalTwin) throws(HubError) -> JSONObject {
    var draft = Draft(twin)
    for (index, operation) in operations.enumerated() {
      try draft.apply(operation, place: "[\(index)] \(operation.path.text)")
    }
    return draft.merge
  }
}

/// The desired properties while a patch is carried out.
private struct Draft {
  private let twin: DigitalTwin
  private var desired: JSONObject
  /// The members of the root that were written, in order: with the properties of a component, or as a whole.
  private var written: [(name: String, properties: [String]?)] = []

  init(_ twin: DigitalTwin) {
    self.twin = twin
    desired = twin.desired
  }

  mutating func apply(
    _ operation: DigitalTwinPatch.Operation,
    place: String
  ) throws(HubError) {
    guard let name = operation.path.names.first else { return }
    if operation.path.names.count == 2, let property = operation.path.names.last {
      try apply(operation, to: property, of: name, place: place)
      return
    }
    let exists = desired.contains(name) || twin.reported.contains(name)
    if operation.verb != .add, !exists { throw Self.nothing(place) }
    if let value = operation.value {
      if var component = DigitalTwinPatch.component(value) {
        if exists, !isComponent(name) { throw Self.noComponent(name, place) }
        component[DigitalTwin.marker] = DigitalTwin.markerValue
        desired[name] = .object(component)
      } else {
        guard !isComponent(name) else {
          throw HubError(
            .argumentInvalid,
            "\(place): \(name) is a component; send an object of its properties with an empty object $metadata."
          )
        }
        desired[name] = value
      }
    } else {
      desired[name] = nil
    }
    written.append((name, nil))
  }

  private mutating func apply(
    _ operation: DigitalTwinPatch.Operation,
    to property: String,
    of name: String,
    place: String
  ) throws(HubError) {
    guard isComponent(name) else {
      guard desired.contains(name) || twin.reported.contains(name) else {
        throw HubError(
          .argumentInvalid,
          "\(place): there is no component \(name); add it first, as an object with an empty object $metadata."
        )
      }
      throw Self.noComponent(name, place)
    }
    var component = desired[name]?.objectValue ?? [:]
    if operation.verb != .add, component[property] == nil,
      twin.reported[name]?[property] == nil
    {
      throw Self.nothing(place)
    }
    component[property] = operation.value
    component[DigitalTwin.marker] = DigitalTwin.markerValue
    // A component that nothing is desired of any more goes.
    desired[name] = operation.value == nil && component.count == 1 ? nil : .object(component)
    written.append((name, [property]))
  }

  /// Whether it is a component as of now: what was desired at first does not count any more.
  private func isComponent(_ name: String) -> Bool {
    DigitalTwin.isComponent(desired[name]) || DigitalTwin.isComponent(twin.reported[name])
  }

  /// From what was desired to what is desired now.
  var merge: JSONObject {
    var merge = JSONObject()
    for (name, properties) in written {
      let old = twin.desired[name]
      guard let new = desired[name] else {
        if old != nil { merge[name] = .null }
        continue
      }
      guard let properties, case .object(let component) = new, DigitalTwin.isComponent(old) else {
        merge[name] = Self.replacement(of: old, by: new)
        continue
      }
      for property in properties {
        let former = old?[property]
        guard component[property] != nil || former != nil else { continue }
        var part = merge[name]?.objectValue ?? [DigitalTwin.marker: DigitalTwin.markerValue]
        part[property] = component[property].map { Self.replacement(of: former, by: $0) } ?? .null
        merge[name] = .object(part)
      }
    }
    return merge
  }

  /// What merges into `old` so that it becomes `new`, with nothing left of what is not in it.
  private static func replacement(of old: JSONValue?, by new: JSONValue) -> JSONValue {
    guard case .object(let before)? = old, case .object(let after) = new else { return new }
    var merge = JSONObject()
    for name in before.keys where !after.contains(name) { merge[name] = .null }
    for (name, value) in after { merge[name] = replacement(of: before[name], by: value) }
    return .object(merge)
  }

  private static func nothing(_ place: String) -> HubError {
    HubError(.argumentInvalid, "\(place): there is nothing of that name; add it.")
  }

  private static func noComponent(_ name: String, _ place: String) -> HubError {
    HubError(
      .argumentInvalid,
      "\(place): '\(name)' exists within the device twin and is no component; change it by the device twin if its model says that it is one."
    )
  }
}
