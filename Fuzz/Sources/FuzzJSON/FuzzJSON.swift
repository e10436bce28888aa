import JSONTree

/// Any bytes: what parses reads back from every written form as the same value.
@c(LLVMFuzzerTestOneInput)
public func fuzzJSON(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = Array(UnsafeBufferPointer(start: start, count: count))
  guard let value = try? JSON.parse(bytes) else { return 0 }
  let written = JSON.bytes(value)
  precondition((try? JSON.parse(written)) == value, "the compact form reads back differently")
  precondition((try? JSON.parse(JSON.prettyText(value))) == value, "the pretty form differs")
  let canonical = JSON.canonicalBytes(value)
  guard let sorted = try? JSON.parse(canonical) else {
    preconditionFailure("the canonical form is refused")
  }
  precondition(sorted == value, "the canonical form differs")
  precondition(JSON.canonicalBytes(sorted) == canonical, "the canonical form is not canonical")
  if case .object(let object) = value {
    // A patch that is merged twice changes nothing more, and into nothing gives itself less nulls.
    var once = object
    once.merge(patch: object)
    var twice = once
    twice.merge(patch: object)
    precondition(once == twice, "merging again changes the result")
    var fresh = JSONObject()
    fresh.merge(patch: object)
    precondition(fresh == object.withoutNulls(), "merging into nothing differs")
    // One digit counts 8, so the size may exceed the text, but never by more than that.
    precondition(TwinSize.bytes(of: fresh) <= 8 * written.count, "far larger than its text")
  }
  return 0
}
