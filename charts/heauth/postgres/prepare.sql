-- Logins, each a member of one program's role. The first migration finds the roles there already.
\set owner `cat /passwords/owner`
\set operator `cat /passwords/operator`
\set hub `cat /passwords/hub`
\set identity `cat /passwords/identity`
CREATE ROLE heauth_owner LOGIN CREATEROLE PASSWORD :'owner';
CREATE DATABASE heauth OWNER heauth_owner;
REVOKE CONNECT ON DATABASE heauth FROM PUBLIC;
SET ROLE heauth_owner;
CREATE ROLE heauth_operator NOLOGIN NOBYPASSRLS;
CREATE ROLE heauth_hub NOLOGIN NOBYPASSRLS;
CREATE ROLE heauth_identity NOLOGIN NOBYPASSRLS;
CREATE ROLE heauth_operator_login LOGIN NOINHERIT PASSWORD :'operator' IN ROLE heauth_operator;
CREATE ROLE heauth_hub_login LOGIN NOINHERIT PASSWORD :'hub' IN ROLE heauth_hub;
CREATE ROLE heauth_identity_login LOGIN NOINHERIT PASSWORD :'identity' IN ROLE heauth_identity;
GRANT CONNECT ON DATABASE heauth TO heauth_operator_login, heauth_hub_login, heauth_identity_login;
