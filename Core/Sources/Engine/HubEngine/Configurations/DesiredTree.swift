internal import JSONTree

extension JSONObject {
  /// Puts `value` at the end of `path`, in place of whatever was there or on the way there.
  ///
  /// Nulls in it go, as a twin keeps none. An empty path replaces all, if `value` is an object.
  mutating func setValue(_ value: JSONValue, at path: ArraySlice<String>) {
    guard let first = path.first else {
      if let object = value.objectValue { self = object.withoutNulls() }
      return
    }
    guard path.count > 1 else {
      switch value {
      case .null: self[first] = nil
      case .object(let object): self[first] = .object(object.withoutNulls())
      default: self[first] = value
      }
      return
    }
    var inner = self[first]?.objectValue ?? JSONObject()
    inner.setValue(value, at: path.dropFirst())
    self[first] = .object(inner)
  }

  /// Removes what is at the end of `path`; the objects on the way there stay, as after a patch.
  mutating func removeValue(at path: ArraySlice<String>) {
    guard let first = path.first else {
      self = JSONObject()
      return
    }
    guard path.count > 1 else {
      self[first] = nil
      return
    }
    guard var inner = self[first]?.objectValue else { return }
    inner.removeValue(at: path.dropFirst())
    self[first] = .object(inner)
  }

  /// The merge patch that turns this object into `other`; empty if they are equal.
  func patch(to other: JSONObject) -> JSONObject {
    var patch = JSONObject()
    for key in keys where !other.contains(key) { patch[key] = .null }
    for (key, value) in other {
      switch (self[key], value) {
      case (.object(let old)?, .object(let new)):
        let inner = old.patch(to: new)
        if !inner.isEmpty { patch[key] = .object(inner) }
      case (let old, _):
        if old != value { patch[key] = value }
      }
    }
    return patch
  }
}
