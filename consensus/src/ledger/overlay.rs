//! The state of H-1 with the changes of the block at H on top.

use std::collections::BTreeMap;

use pyralog_crypto::{
    Address,
    codec::{Decode, Encode},
};

use super::{
    Account, Totals,
    keys::{state_key, store_key},
};
use crate::application::{AppError, StateStore};

/// Reads through to the committed state, keeps writes in memory, and can take back what was written since a mark.
pub(crate) struct Overlay<'a> {
    store: &'a dyn StateStore,
    /// Accounts are kept decoded: every transfer touches two.
    accounts: BTreeMap<Address, Slot<Account>>,
    records: BTreeMap<Vec<u8>, Slot<Option<Vec<u8>>>>,
    totals: Slot<Totals>,
    undo: Vec<Undo>,
}

/// A value in the committed state and now.
struct Slot<T> {
    base: T,
    now: T,
}

enum Undo {
    Account(Address, Account),
    Record(Vec<u8>, Option<Vec<u8>>),
    Totals(Totals),
}

/// A name whose value changed: the old and the new value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub name: Vec<u8>,
    pub old: Option<Vec<u8>>,
    pub new: Option<Vec<u8>>,
}

impl<'a> Overlay<'a> {
    pub fn new(store: &'a dyn StateStore) -> Result<Self, AppError> {
        let totals = read::<Totals>(store, state_key::TOTALS)?.unwrap_or_default();
        Ok(Self {
            store,
            accounts: BTreeMap::new(),
            records: BTreeMap::new(),
            totals: Slot { base: totals, now: totals },
            undo: Vec::new(),
        })
    }

    pub fn account(&mut self, address: &Address) -> Result<Account, AppError> {
        if let Some(slot) = self.accounts.get(address) {
            return Ok(slot.now);
        }
        let base = read::<Account>(self.store, &state_key::account(address))?.unwrap_or_default();
        self.accounts.insert(*address, Slot { base, now: base });
        Ok(base)
    }

    pub fn put_account(&mut self, address: &Address, account: Account) -> Result<(), AppError> {
        let old = self.account(address)?;
        self.undo.push(Undo::Account(*address, old));
        if let Some(slot) = self.accounts.get_mut(address) {
            slot.now = account;
        }
        Ok(())
    }

    pub fn totals(&self) -> Totals {
        self.totals.now
    }

    pub fn put_totals(&mut self, totals: Totals) {
        self.undo.push(Undo::Totals(self.totals.now));
        self.totals.now = totals;
    }

    pub fn get<T: Decode>(&mut self, name: &[u8]) -> Result<Option<T>, AppError> {
        self.raw(name)?.map(|bytes| decode(name, bytes)).transpose()
    }

    pub fn put<T: Encode>(&mut self, name: &[u8], value: &T) -> Result<(), AppError> {
        self.put_raw(name, Some(value.to_bytes()))
    }

    pub fn put_raw(&mut self, name: &[u8], value: Option<Vec<u8>>) -> Result<(), AppError> {
        self.raw(name)?;
        if let Some(slot) = self.records.get_mut(name) {
            let old = std::mem::replace(&mut slot.now, value);
            self.undo.push(Undo::Record(name.to_vec(), old));
        }
        Ok(())
    }

    /// A point to which [`Overlay::rollback`] can return.
    pub fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Takes back everything written since `mark`.
    pub fn rollback(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some(Undo::Account(address, old)) => {
                    if let Some(slot) = self.accounts.get_mut(&address) {
                        slot.now = old;
                    }
                }
                Some(Undo::Record(name, old)) => {
                    if let Some(slot) = self.records.get_mut(&name) {
                        slot.now = old;
                    }
                }
                Some(Undo::Totals(old)) => self.totals.now = old,
                None => return,
            }
        }
    }

    /// Everything that differs from the committed state, sorted by name.
    pub fn into_changes(self) -> Vec<Change> {
        let mut changes = Vec::with_capacity(self.accounts.len() + self.records.len() + 1);
        for (address, slot) in self.accounts {
            if slot.base != slot.now {
                let old = (slot.base != Account::default()).then(|| slot.base.to_bytes());
                changes.push(Change { name: state_key::account(&address), old, new: Some(slot.now.to_bytes()) });
            }
        }
        for (name, slot) in self.records {
            if slot.base != slot.now {
                changes.push(Change { name, old: slot.base, new: slot.now });
            }
        }
        if self.totals.base != self.totals.now {
            let old = Some(self.totals.base.to_bytes());
            changes.push(Change { name: state_key::TOTALS.to_vec(), old, new: Some(self.totals.now.to_bytes()) });
        }
        changes.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        changes
    }

    fn raw(&mut self, name: &[u8]) -> Result<Option<&[u8]>, AppError> {
        if !self.records.contains_key(name) {
            let base = self.store.get(&store_key::value(name))?;
            self.records.insert(name.to_vec(), Slot { now: base.clone(), base });
        }
        Ok(self.records.get(name).and_then(|slot| slot.now.as_deref()))
    }
}

/// Reads and decodes a committed value.
pub(crate) fn read<T: Decode>(store: &dyn StateStore, name: &[u8]) -> Result<Option<T>, AppError> {
    store.get(&store_key::value(name))?.map(|bytes| decode(name, &bytes)).transpose()
}

fn decode<T: Decode>(name: &[u8], bytes: &[u8]) -> Result<T, AppError> {
    T::from_bytes(bytes)
        .map_err(|e| AppError::Invariant(format!("state value {} is damaged: {e}", name.escape_ascii())))
}
