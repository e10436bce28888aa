import OrreryModule

/// What the module does with a reading: no network, so that a test needs none.
///
/// - Returns: What is sent for a reading, nil for nothing.
func judge(_ reading: JSONValue, threshold: Double) -> JSONValue? {
  guard var answer = reading.objectValue, let temperature = answer["temperature"]?.doubleValue,
    temperature > threshold
  else { return nil }
  answer["alert"] = true
  answer["threshold"] = .double(threshold)
  return .object(answer)
}

/// What is in force.
actor Settings {
  private(set) var threshold = 25.0

  /// Takes what is wanted, as far as it makes sense.
  func take(_ desired: JSONObject) {
    if let threshold = desired["threshold"]?.doubleValue { self.threshold = threshold }
  }
}
