import AMQPCodec
import ByteIO
import CProton

/// Carries values between the engine's own tree and ours, by their encoding.
///
/// So there is one reader and one writer for all values, with one set of limits and tests.
enum ProtonData {
  /// The value in `data`; null if there is none, or one that is beyond the limits.
  static func value(_ data: OpaquePointer?) -> AMQPValue {
    guard let data else { return .null }
    let size = pn_data_encoded_size(data)
    guard size > 0 else { return .null }
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      let written = buffer.withMemoryRebound(to: CChar.self) {
        pn_data_encode(data, $0.baseAddress, $0.count)
      }
      count = max(0, written)
    }
    var reader = AMQPReader(bytes.span)
    return (try? reader.value()) ?? .null
  }

  /// The map in `data`, empty if it is none.
  static func map(_ data: OpaquePointer?) -> AMQPMap {
    if case .map(let map) = value(data) { return map }
    return [:]
  }

  /// Replaces what is in `data`.
  static func set(_ data: OpaquePointer?, _ value: AMQPValue) {
    guard let data else { return }
    var writer = AMQPWriter()
    writer.value(value)
    pn_data_clear(data)
    _ = writer.bytes.withUnsafeBytes { raw in
      pn_data_decode(data, raw.bindMemory(to: CChar.self).baseAddress, raw.count)
    }
  }

  /// The error in `condition`, nil if none is set.
  static func error(_ condition: OpaquePointer?) -> AMQPError? {
    guard let condition, pn_condition_is_set(condition) else { return nil }
    return AMQPError(
      text(pn_condition_get_name(condition)) ?? "",
      text(pn_condition_get_description(condition)) ?? "",
      info: map(pn_condition_info(condition))
    )
  }

  /// Sets `condition`.
  static func set(_ condition: OpaquePointer?, _ error: AMQPError) {
    guard let condition else { return }
    pn_condition_set_name(condition, error.condition)
    pn_condition_set_description(condition, error.description)
    if !error.info.isEmpty { set(pn_condition_info(condition), .map(error.info)) }
  }

  static func text(_ characters: UnsafePointer<CChar>?) -> String? {
    characters.map { String(cString: $0) }
  }

  /// Copies what the engine lends.
  static func bytes(_ borrowed: pn_bytes_t) -> [UInt8] {
    guard let start = borrowed.start, borrowed.size > 0 else { return [] }
    return [UInt8](UnsafeRawBufferPointer(start: start, count: borrowed.size))
  }
}
