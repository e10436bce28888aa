/// JSON Patch documents (RFC 6902), as far as they are written.
public enum JSONPatch {
  /// The operations `add`, `replace` and `remove` that make `after` of `before`, in the order of their paths.
  ///
  /// Objects that are on both sides are compared member by member; anything else is one value.
  public static func operations(from before: JSONObject, to after: JSONObject) -> [JSONValue] {
    var operations: [JSONValue] = []
    compare(before, after, at: JSONPointer(), &operations)
    return operations
  }

  private static func compare(
    _ before: JSONObject,
    _ after: JSONObject,
    at place: JSONPointer,
    _ operations: inout [JSONValue]
  ) {
    let names = before.keys.filter { !after.contains($0) } + after.keys
    for name in names.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      let pointer = JSONPointer(place.names + [name])
      let path = JSONValue.string(pointer.text)
      switch (before[name], after[name]) {
      case (let old, nil): if old != nil { operations.append(["op": "remove", "path": path]) }
      case (nil, let new?): operations.append(["op": "add", "path": path, "value": new])
      case (.object(let old), .object(let new)): compare(old, new, at: pointer, &operations)
      case (let old?, let new?):
        if old != new { operations.append(["op": "replace", "path": path, "value": new]) }
      }
    }
  }
}
