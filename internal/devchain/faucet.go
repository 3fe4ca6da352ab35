package devchain

import (
	"crypto/ecdsa"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// FaucetKeyHex is the prefunded account's private key. It is published in
// go-ethereum's own source as the account of `geth --dev`, so that one key pays
// on either chain. It protects nothing; never use it on a real chain.
const FaucetKeyHex = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291"

// FaucetKey is the prefunded account's key.
func FaucetKey() *ecdsa.PrivateKey {
	k, err := crypto.HexToECDSA(FaucetKeyHex)
	if err != nil {
		panic("devchain: faucet key: " + err.Error())
	}
	return k
}

// FaucetAddress is the prefunded account.
func FaucetAddress() common.Address { return crypto.PubkeyToAddress(FaucetKey().PublicKey) }

// faucetWei is a million ether: more than any story spends, small enough to
// read.
func faucetWei() *big.Int {
	return new(big.Int).Mul(big.NewInt(1_000_000), big.NewInt(1e18))
}
