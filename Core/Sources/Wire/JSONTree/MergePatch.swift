extension JSONObject {
  /// Applies a twin patch: RFC 7396 as hub contract sections 3.6 and 7.5 use it.
  ///
  /// Null deletes a key at any depth, objects merge, everything else replaces; a scalar gives way to
  /// an object and the reverse. `{}` persists, and an object whose last member goes stays as `{}`.
  public mutating func merge(patch: JSONObject) {
    var deleted: [String] = []
    for member in patch.members {
      switch member.value {
      case .null: deleted.append(member.key)
      case .object(let inner):
        let merged = update(member.key) { $0.merge(inner) }
        if !merged { set(member.key, to: .object(inner.withoutNulls())) }
      default: set(member.key, to: member.value)
      }
    }
    removeAll(named: deleted)
  }

  /// The patch that makes `target` of this: what differs, with null for what goes; empty if both are
  /// the same.
  ///
  /// Neither may hold null, which a patch cannot set.
  public func patch(to target: JSONObject) -> JSONObject {
    var patch = JSONObject()
    for member in target.members {
      switch (self[member.key], member.value) {
      case (.object(let mine), .object(let theirs)):
        let inner = mine.patch(to: theirs)
        if !inner.isEmpty { patch.set(member.key, to: .object(inner)) }
      case (let mine, let theirs) where mine != theirs: patch.set(member.key, to: theirs)
      default: continue
      }
    }
    for member in members where !target.contains(member.key) { patch.set(member.key, to: .null) }
    return patch
  }

  /// Makes of this patch and the one that comes after it a single patch, which does to an object what
  /// both do one after the other; null stays null.
  ///
  /// Merge patches alone do not tell what an object that replaces another one has to delete, so
  /// `base`, the object that both are for, is asked. The result may be applied twice.
  public mutating func append(patch next: JSONObject, onto base: JSONObject) {
    for member in next.members {
      switch (self[member.key], member.value) {
      case (.object(var mine), .object(let theirs)):
        let inner = base[member.key]?.objectValue ?? JSONObject()
        mine.append(patch: theirs, onto: inner)
        set(member.key, to: .object(mine))
      case (.some, .object(let theirs)):
        let whole = theirs.withoutNulls()
        let old = base[member.key]?.objectValue
        set(member.key, to: .object(old.map { whole.replacing($0) } ?? whole))
      case (_, let value): set(member.key, to: value)
      }
    }
  }

  /// The patch that makes this of `base`, and of any object that has no other members than it.
  public func replacing(_ base: JSONObject) -> JSONObject {
    var patch = self
    for member in base.members {
      switch (patch[member.key], member.value) {
      case (nil, _): patch.set(member.key, to: .null)
      case (.object(let mine), .object(let inner)):
        patch.set(member.key, to: .object(mine.replacing(inner)))
      default: continue
      }
    }
    return patch
  }

  /// This object less the members that are null, at any depth of nested objects.
  ///
  /// What a patch that creates a section leaves behind. Nulls inside arrays stay (their refusal is
  /// a rule of the twin, not of the merge).
  public func withoutNulls() -> JSONObject {
    var result = JSONObject()
    for member in members {
      switch member.value {
      case .null: continue
      case .object(let inner): result.set(member.key, to: .object(inner.withoutNulls()))
      default: result.set(member.key, to: member.value)
      }
    }
    return result
  }
}

extension JSONValue {
  /// Applies an object patch to whatever this is.
  fileprivate mutating func merge(_ patch: JSONObject) {
    guard case .object(var object) = self else {
      self = .object(patch.withoutNulls())
      return
    }
    // Let go of the payload first: the object is then changed in place, not copied.
    self = .null
    object.merge(patch: patch)
    self = .object(object)
  }
}
