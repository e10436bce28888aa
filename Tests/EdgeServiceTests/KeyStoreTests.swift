import EdgeService
import HubContract
import Platform
import Testing

@Suite("Keys made on the device (contract §4.3, §4.4)")
struct KeyStoreTests {
  private let directory: TemporaryDirectory
  private let store: KeyStore

  init() throws {
    directory = try TemporaryDirectory()
    store = try KeyStore(directory: directory.path)
  }

  @Test("the master key is made once, for its owner alone, and the same keys come of it again")
  func restart() throws {
    #expect(store.isNew)
    #expect(directory.mode("master.key") == 0o600)
    let again = try KeyStore(directory: directory.path)
    #expect(!again.isNew)
    let key = store.key(.primary, moduleID: "m", generationID: "g")
    #expect(key != nil)
    #expect(again.key(.primary, moduleID: "m", generationID: "g") == key)
  }

  @Test("a signature is the HMAC under the key that the hub is given")
  func sign() throws {
    let key = try #require(store.key(.primary, moduleID: "m", generationID: "g"))
    let signature = store.sign([1, 2, 3], moduleID: "m", generationID: "g")
    #expect(signature == Hashing.hmacSHA256(key: key.bytes, message: [1, 2, 3]))
  }

  @Test("each use, module and generation has a key of its own")
  func separation() {
    let keys = [
      store.key(.primary, moduleID: "ab", generationID: "c"),
      store.key(.primary, moduleID: "a", generationID: "bc"),
      store.key(.secondary, moduleID: "ab", generationID: "c"),
      store.key(.encryption, moduleID: "ab", generationID: "c"),
    ].map { $0?.base64 }
    #expect(Set(keys).count == keys.count)
  }

  @Test("what was encrypted comes back, and twice the same gives different texts")
  func roundTrip() throws {
    for plaintext in [[], [7], [UInt8](repeating: 9, count: 100_000)] as [[UInt8]] {
      let first = try store.encrypt(plaintext, vector: [1], moduleID: "m", generationID: "g")
      let second = try store.encrypt(plaintext, vector: [1], moduleID: "m", generationID: "g")
      #expect(first != second)
      #expect(
        store.decrypt(first, vector: [1], moduleID: "m", generationID: "g") == plaintext
      )
    }
  }

  @Test("another module, generation, vector or device, or one changed bit: nothing comes back")
  func refusals() throws {
    let text = try store.encrypt([1, 2, 3], vector: [1], moduleID: "m", generationID: "g")
    #expect(store.decrypt(text, vector: [1], moduleID: "n", generationID: "g") == nil)
    #expect(store.decrypt(text, vector: [1], moduleID: "m", generationID: "h") == nil)
    #expect(store.decrypt(text, vector: [2], moduleID: "m", generationID: "g") == nil)
    for index in text.indices {
      var changed = text
      changed[index] ^= 1
      #expect(store.decrypt(changed, vector: [1], moduleID: "m", generationID: "g") == nil)
      let short = Array(text[..<index])
      #expect(store.decrypt(short, vector: [1], moduleID: "m", generationID: "g") == nil)
    }
    let other = try TemporaryDirectory()
    let stranger = try KeyStore(directory: other.path)
    #expect(stranger.decrypt(text, vector: [1], moduleID: "m", generationID: "g") == nil)
  }

  @Test("a damaged master key is told, not replaced")
  func damaged() throws {
    try PrivateFile.replace(directory.path + "/master.key", with: [1, 2, 3])
    #expect(throws: SettingsFault.self) { try KeyStore(directory: directory.path) }
    #expect(try PrivateFile.read(directory.path + "/master.key") == [1, 2, 3])
  }
}
