/// Takes secrets out of texts that are handed to others, such as logs in a support bundle.
///
/// It knows them by the names that stand before them; a secret that no name gives away stays.
public enum Redaction {
  /// Names in lower case, without blanks and underscores.
  private static let names: Set<String> = [
    "sharedaccesskey", "accountkey", "devicekey", "primarykey", "secondarykey", "symmetrickey",
    "masterkey", "apikey", "accesskey", "sig", "signature", "sharedaccesssignature", "password",
    "passwd", "secret", "clientsecret", "token", "accesstoken", "authorization",
  ]
  private static let longestName = 24
  private static let mark: [UInt8] = Array("***".utf8)

  /// `text` with `***` in the place of each value behind `name=`, `name: ` or `"name":`, and of each
  /// private key in PEM.
  public static func redact(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var word: [UInt8] = []
    var index = 0
    while index < text.count {
      let byte = text[index]
      if isWord(byte) {
        if word.count <= longestName, byte != UInt8(ascii: "_") {
          word.append((0x41...0x5A).contains(byte) ? byte | 0x20 : byte)
        }
        result.append(byte)
        index += 1
        continue
      }
      if !word.isEmpty {
        let name = String(decoding: word, as: UTF8.self)
        word = []
        if names.contains(name), let start = valueStart(text, index) {
          result += text[index..<start]
          result += mark
          index = valueEnd(text, start, isSignature: name == "sharedaccesssignature")
          continue
        }
        if name == "key", let end = privateKeyEnd(text, index) {
          result += Array("-----\n***\n".utf8)
          index = end
          continue
        }
      }
      result.append(byte)
      index += 1
    }
    return result
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x7A).contains(byte | 0x20)
      || byte == UInt8(ascii: "_")
  }

  /// Where the value of a name begins that ends before `index`; nil if there is none.
  private static func valueStart(_ text: [UInt8], _ index: Int) -> Int? {
    var place = index
    var hasSign = false
    // Quotes, escaped ones too, blanks, and one sign; in a command line or JSON.
    while place < text.count, place - index < 8 {
      switch text[place] {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: " "): place += 1
      case UInt8(ascii: "="), UInt8(ascii: ":"):
        guard !hasSign else { return place }
        hasSign = true
        place += 1
      default: return hasSign ? place : nil
      }
    }
    return nil
  }

  /// Where a value ends that begins at `start`.
  private static func valueEnd(_ text: [UInt8], _ start: Int, isSignature: Bool) -> Int {
    let before = start > 0 ? text[start - 1] : 0
    let quote = [UInt8(ascii: "\""), UInt8(ascii: "'")].first { $0 == before }
    var isCredential = isSignature
    var place = start
    while place < text.count {
      switch text[place] {
      case 0...0x1F, UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "\\"): return place
      // Between quotes all of it is the value.
      case _ where quote != nil: break
      case UInt8(ascii: ";"), UInt8(ascii: ","), UInt8(ascii: "}"): return place
      case UInt8(ascii: "&") where !isCredential: return place
      case UInt8(ascii: " "):
        // `Authorization: Bearer …` and `SharedAccessSignature sr=…`: what follows is the secret.
        let word = String(decoding: text[start..<place], as: UTF8.self).lowercased()
        guard ["bearer", "basic", "sharedaccesssignature"].contains(word) else { return place }
        isCredential = true
      default: break
      }
      place += 1
    }
    return place
  }

  /// Where a private key in PEM ends whose first line's word KEY ends before `index`.
  private static func privateKeyEnd(_ text: [UInt8], _ index: Int) -> Int? {
    let head = Array("PRIVATE KEY-----".utf8)
    guard index >= 11, index + 5 <= text.count,
      text[(index - 11)..<(index + 5)].elementsEqual(head)
    else { return nil }
    // Not the last line, which has the same words.
    let line = text[max(0, index - 40)..<index].split(separator: 0x0A).last ?? []
    guard String(decoding: line, as: UTF8.self).contains("-----BEGIN ") else { return nil }
    let end = Array("-----END".utf8)
    var place = index + 5
    while place + end.count <= text.count {
      if text[place] == end[0], text[place..<(place + end.count)].elementsEqual(end) {
        return place
      }
      place += 1
    }
    return text.count
  }
}
