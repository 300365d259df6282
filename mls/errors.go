package mls

// Error says which rule a message, a value or a request breaks. Nothing in it comes from the users of the group.
type Error struct {
	Rule string // one of the Rule constants
	Err  error  // the cause below, may be nil
}

func (e *Error) Error() string {
	if e.Err == nil {
		return "mls: " + e.Rule
	}
	return "mls: " + e.Rule + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

func broken(rule string) error { return &Error{Rule: rule} }

// because wraps err, nil stays nil. An error that names a rule already is not wrapped again.
func because(rule string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(*Error); ok {
		return err
	}
	return &Error{Rule: rule, Err: err}
}

// The rules. Sections are those of RFC 9420 unless another text is named.
const (
	RuleEncoding    = "value cannot be encoded"
	RuleLimit       = "over a limit"             // Limits
	RuleSuite       = "cipher suite not offered" // §17.1
	RuleGroupID     = "other group"              // §6.1
	RuleEpoch       = "other epoch"              // §6.1
	RuleFormat      = "wire format not possible here"
	RuleSender      = "sender is not possible here"   // §6.1, §12.1.8
	RuleSignature   = "signature does not verify"     // §6.1
	RuleMembership  = "membership tag does not match" // §6.2
	RuleDecrypt     = "message does not decrypt"      // §6.3
	RuleOwnMessage  = "message of an own leaf"        // its key was used to send it
	RuleConfirm     = "confirmation tag does not match"
	RuleState       = "not possible in this state of the group"
	RuleFrozen      = "group was closed by ReInit"                 // §12.1.5
	RuleSafeAAD     = "authenticated data is not SafeAAD"          // mls-extensions §4.9
	RuleSecret      = "secret derivation failed"                   // §8
	RulePSK         = "pre-shared key is not known"                // §8.4
	RuleOwnLeaf     = "not a leaf of this client"                  //
	RuleRandom      = "no randomness"                              //
	RuleKeyPackage  = "KeyPackage is not valid"                    // §10.1
	RuleStored      = "stored records are not a group"             //
	RuleWelcome     = "Welcome does not fit"                       // §12.4.3.1
	RuleTree        = "tree is not valid"                          // §12.4.3.1
	RuleGroupInfo   = "GroupInfo does not match the group"         // §12.4.3
	RuleContext     = "GroupContext extension is malformed"        // §11
	RuleFraming     = "application data is not framed"             // mls-extensions §6.2.4
	RuleTreeSource  = "tree is conveyed in a way not allowed here" // ratchet-tree-options §3
	RuleMediaType   = "member does not read a required media type" // mls-extensions §6.2.3
	RuleSemiPrivate = "SemiPrivateMessage is not agreed on"        // semiprivatemessage §3
	RuleSemiContent = "SemiPrivateMessage contradicts itself"      // semiprivatemessage §3.2
	RuleSuccessor   = "group does not continue the other"          // §11.2, §11.3

	RuleLeafSource       = "leaf source does not fit its use"           // §7.3
	RuleLeafSignature    = "leaf signature does not verify"             // §7.3
	RuleLeafLifetime     = "leaf lifetime does not include the time"    // §7.3
	RuleLeafCapabilities = "leaf lacks a capability it needs"           // §7.2, §7.3
	RuleLeafCredential   = "credential is not accepted"                 // §5.3.1
	RuleCredentialType   = "credential type not supported by everybody" // §7.3
	RuleKeyReuse         = "key stands in the tree already"             // §7.3
	RuleComponents       = "leaf lacks a required component"            // mls-extensions §5

	RuleProposalUnknown   = "proposal type or reference not known"             // §12.2
	RuleProposalSender    = "sender may not propose this"                      // §12.1.8
	RuleUpdateInline      = "Update by value"                                  // §12.2
	RuleUpdateOwn         = "Update of the committer"                          // §12.2
	RuleRemoveCommitter   = "committer removes itself"                         // §12.2
	RuleRemoveBlank       = "leaf to remove is blank"                          // §12.1.3
	RuleLeafTwice         = "two changes of one leaf"                          // §12.2
	RuleAddTwice          = "client added twice"                               // §12.2
	RulePSKTwice          = "pre-shared key twice"                             // §12.2
	RulePSKForm           = "pre-shared key proposal is malformed"             // §12.1.4
	RuleProposalSupport   = "proposal type not supported by everybody"         // §12.2
	RuleExtensionsTwice   = "two GroupContextExtensions"                       // §12.2
	RuleExtensionsSupport = "GroupContext extension not supported by everyone" // §12.1.7
	RuleReInitAlone       = "ReInit with other proposals"                      // §12.2
	RuleReInitVersion     = "ReInit to a lower version"                        // §12.1.5
	RuleExternalInit      = "ExternalInit outside of an external commit"       // §12.2
	RulePathMissing       = "commit needs a path"                              // §12.4
	RulePath              = "path does not fit the tree"                       // §7.5
	RuleExternalCommit    = "external commit with wrong proposals"             // §12.2, §12.4.3.2
	RuleResync            = "external commit removes another client"           // §12.4.3.2

	RuleDictionaryLocked  = "GroupContextExtensions changes app_data_dictionary" // mls-extensions §4.7
	RuleDictionary        = "app_data_dictionary is malformed"                   // mls-extensions §4.6
	RuleComponentUnknown  = "component not used by the group"                    // mls-extensions §4.7, A-X15
	RuleComponentAbsent   = "removal of absent component data"                   // mls-extensions §4.7
	RuleComponentMixed    = "update and removal of one component"                // mls-extensions §4.7
	RuleComponentRefused  = "component refuses the update"                       // mls-extensions §4.7
	RuleSelfRemoveForm    = "SelfRemove by value or not in the clear"            // mls-extensions §6.3
	RuleSelfRemoveSupport = "SelfRemove not supported by everyone"               // mls-extensions §6.3
	RuleSelfRemoveTwice   = "two SelfRemoves of one leaf"                        // mls-extensions §6.3
)
